"""The Export page: what is asked of the worker, and what is shown of its answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from app.pages.export import ExportPage
from app.window import Window
from core.home import Home
from core.store.store import Store
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
Open = Callable[[], Window]


def opened(window: Open) -> ExportPage:
    shown = window()
    shown.go("export")
    return cast(ExportPage, shown.page("export"))


def asked(page: ExportPage, store: Store) -> dict[str, Any]:
    page.export.click()
    assert page._job is not None
    return store.job(page._job.id).body


def test_without_a_checkpoint_there_is_nothing_to_export(window: Open, seeded: Make) -> None:
    seeded().begin().advance(10).fail("The disk is full.")
    assert opened(window).empty.isVisible()


def test_the_best_checkpoint_is_merged_and_verified_unless_something_else_is_chosen(
    window: Open, seeded: Make, store: Store, home: Home
) -> None:
    run = seeded().begin().advance(200).finish()
    page = opened(window)
    assert asked(page, store) == {
        "run": run.run, "to": "merged", "out": str(home.root / "exports" / "devil-first-try-merged"), "verify": True,
        "checkpoint": "best",
    }  # fmt: skip
    assert page.cancel.isVisible() and not page.export.isEnabled() and not page.run.isEnabled()


def test_another_form_checkpoint_and_folder_are_asked_for(
    window: Open, seeded: Make, store: Store, folder: Path
) -> None:
    seeded().begin().advance(200).finish()
    page = opened(window)
    page.forms["adapter"].setChecked(True)
    assert page.out.text().endswith("-adapter")
    page.out.setText(str(folder / "mine"))
    page.forms["merged"].setChecked(True)
    assert page.out.text() == str(folder / "mine")
    page.checkpoint.setCurrentIndex(page.checkpoint.findData("100"))
    page.verify.setChecked(False)
    body = asked(page, store)
    assert (body["to"], body["checkpoint"], body["verify"]) == ("merged", "100", False)


def test_progress_then_files_and_what_was_measured(window: Open, seeded: Make, store: Store, folder: Path) -> None:
    seeded().begin().advance(200).finish()
    page = opened(window)
    asked(page, store)
    taken = store.jobs.take()
    assert taken is not None
    store.jobs.progress(taken.id, "Merging layer 14 of 30", 0.45)
    page.context.jobs._look()
    assert page.stage.text() == "Merging layer 14 of 30"
    (folder / "config.json").write_text("{}")
    verified = {"max_logit_gap": 3.1e-5, "token_agreement": 0.9996, "sentence": "Compared on 512 tokens."}
    result = {"files": [str(folder / "config.json")], "folder": str(folder), "step": 200, "verified": verified}
    store.jobs.done(taken.id, result)
    page.context.jobs._look()
    assert page._result is not None and page._result.isVisible() and not page.progress.isVisible()
    rows = [row.accessibleName() for row in page._result.findChildren(type(page._facts["Method"]))]
    assert "Tokens that agree: 99.96 %" in rows and "Largest difference of logits: 3.1e-05" in rows
    assert page.export.isEnabled()


def test_a_failed_export_says_why_and_can_be_tried_again(window: Open, seeded: Make, store: Store) -> None:
    seeded().begin().advance(200).finish()
    page = opened(window)
    asked(page, store)
    taken = store.jobs.take()
    assert taken is not None
    store.jobs.failed(taken.id, "There are 3 GB missing on the disk.", hint="Make room.")
    page.context.jobs._look()
    assert page.trouble.isVisible() and page.trouble.text == "There are 3 GB missing on the disk."
    assert page.export.isEnabled() and not page.cancel.isVisible()


def test_an_export_is_cancelled(window: Open, seeded: Make, store: Store) -> None:
    seeded().begin().advance(200).finish()
    page = opened(window)
    asked(page, store)
    page.cancel.click()
    page.context.jobs._look()
    assert page.trouble.text.startswith("The export was cancelled") and page.export.isEnabled()


def test_without_a_folder_nothing_is_asked(window: Open, seeded: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded().begin().advance(200).finish()
    said: list[str] = []
    monkeypatch.setattr("app.pages.export.show_error", lambda error, parent: said.append(error.text))
    page = opened(window)
    page.out.setText(" ")
    page.export.click()
    assert said == ["No folder is named."] and page._job is None
