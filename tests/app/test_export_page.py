"""The Export page: what is asked of the worker, and what is shown of its answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from PySide6.QtWidgets import QLabel

from app.models.exports import rank_means, whole_rank
from app.pages.export import ExportPage
from app.widgets import StatRow
from app.window import Window
from core.config.run import RunConfig
from core.figures.figure import Bars
from core.home import Home
from core.store.store import Store
from tests.app import seed
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
Open = Callable[[], Window]


def of_method(method: str) -> RunConfig:
    """An invented run's configuration, of another method."""
    config = seed.config(method)
    return config.model_copy(update={"adapter": config.adapter.model_copy(update={"method": method})})


def opened(window: Open) -> ExportPage:
    shown = window()
    shown.go("export")
    return cast(ExportPage, shown.page("export"))


def asked(page: ExportPage, store: Store) -> dict[str, Any]:
    page.export.click()
    assert page.control.job is not None
    return store.job(page.control.job.id).body


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
    assert page.control.cancel.isVisible() and not page.export.isEnabled() and not page.run.isEnabled()


def test_another_form_checkpoint_and_folder_are_asked_for(
    window: Open, seeded: Make, store: Store, folder: Path
) -> None:
    seeded().begin().advance(200).finish()
    page = opened(window)
    page.choice.forms["adapter"].setChecked(True)
    assert page.out.text().endswith("-adapter")
    page.out.setText(str(folder / "mine"))
    page.choice.forms["merged"].setChecked(True)
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
    assert page.control.stage.text() == "Merging layer 14 of 30"
    (folder / "config.json").write_text("{}")
    verified = {"max_logit_gap": 3.1e-5, "token_agreement": 0.9996, "sentence": "Compared on 512 tokens."}
    result = {"files": [str(folder / "config.json")], "folder": str(folder), "step": 200, "verified": verified}
    store.jobs.done(taken.id, result)
    page.out.setText(str(folder))
    page.context.jobs._look()
    assert page.out.text() not in ("", str(folder))  # that one is taken now
    assert page._result is not None and page._result.isVisible() and not page.control.progress.isVisible()
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
    assert page.control.trouble.isVisible() and page.control.trouble.text == "There are 3 GB missing on the disk."
    assert page.export.isEnabled() and not page.control.cancel.isVisible()


def test_an_export_is_cancelled(window: Open, seeded: Make, store: Store) -> None:
    seeded().begin().advance(200).finish()
    page = opened(window)
    asked(page, store)
    page.control.cancel.click()
    page.context.jobs._look()
    assert page.control.trouble.text.startswith("The export was cancelled") and page.export.isEnabled()


def test_without_a_folder_nothing_is_asked(window: Open, seeded: Make) -> None:
    seeded().begin().advance(200).finish()
    page = opened(window)
    page.out.setText(" ")
    page.export.click()
    assert page.control.trouble.text == "No folder is named." and page.control.job is None


def test_a_plain_lora_asks_its_rank_and_shows_what_each_layer_keeps(
    window: Open, seeded: Make, store: Store, folder: Path
) -> None:
    seeded(config=of_method("dora")).begin().advance(200).finish()
    page = opened(window)
    assert not page.choice.rank.isVisible()
    page.choice.forms["lora"].setChecked(True)
    assert page.choice.rank.isVisible() and page.choice.rank.value() == 8
    page.choice.rank.set_value(3)
    body = asked(page, store)
    assert (body["to"], body["rank"]) == ("lora", 3)
    taken = store.jobs.take()
    assert taken is not None
    layers = [
        {"name": f"model.layers.{block}.self_attn.q_proj", "block": block, "role": "q", "norm": 1.0, "share": share}
        for block, share in enumerate((0.9, 0.75))
    ]
    kept = {"rank": 3, "share": 0.825, "layers": layers}
    note = "As a plain LoRA of rank 3 it keeps 82.50% of what was learned."
    result = {"files": [], "folder": str(folder), "step": 200, "notes": [note], "kept": kept, "verified": None}
    store.jobs.done(taken.id, result)
    page.context.jobs._look()
    assert page.kept is not None and page.kept.isVisible()
    figure = page.kept.figure
    assert isinstance(figure, Bars)
    assert figure.names == ("1.q_proj", "0.q_proj") and list(figure.values) == [75.0, 90.0]
    assert page._result is not None
    assert note in [text.text() for text in page._result.findChildren(QLabel)]
    rows = [row.accessibleName() for row in page._result.findChildren(StatRow)]
    assert "Kept of what was learned: 82.50 % at rank 3" in rows


def test_what_a_run_cannot_be_exported_as_is_greyed_out_with_the_reason(window: Open, seeded: Make) -> None:
    plain = seeded("plain").begin().advance(200).finish()
    seeded(config=of_method("full")).begin().advance(200).finish()
    page = opened(window)
    page.run.setCurrentIndex(page.run.findData(plain.run))
    page.choice.forms["adapter"].setChecked(True)
    page.run.setCurrentIndex(1 - page.run.currentIndex())
    assert not page.choice.forms["adapter"].isEnabled() and page.choice.form == "merged"
    assert "no type of adapter for Full fine-tuning" in page.choice.hints["adapter"].text()
    page.run.setCurrentIndex(page.run.findData(plain.run))
    assert page.choice.forms["adapter"].isEnabled() and "small folder" in page.choice.hints["adapter"].text()


def test_over_a_quantised_base_there_are_two_to_merge_into(window: Open, seeded: Make, store: Store) -> None:
    seeded(config=of_method("qdora")).begin().advance(200).finish()
    page = opened(window)
    assert page.choice.onto.isVisible() and "the very model that was trained" in page.choice.onto_means.text()
    page.choice.onto.setCurrentIndex(1)
    assert "not the model that was trained" in page.choice.onto_means.text()
    page.choice.forms["adapter"].setChecked(True)
    assert not page.choice.onto.isVisible()
    page.choice.forms["gguf"].setChecked(True)
    body = asked(page, store)
    assert (body["to"], body["onto"], body["precision"]) == ("gguf", "original", "F16")


def test_the_rank_of_a_plain_lora_is_the_one_that_loses_nothing() -> None:
    def said(method: str) -> tuple[int, str]:
        config = RunConfig.from_dict({"adapter": {"method": method, "rank": 8}})
        return whole_rank(config), rank_means("lora", config)

    assert said("lora")[0] == 8 and "has 8. " in said("lora")[1]
    for method in ("pissa", "lora-ga", "delta-lora"):
        assert said(method)[0] == 16 and "has 8, and its change 16. " in said(method)[1]


def test_an_adapter_for_every_rank_is_cut_to_the_one_chosen(window: Open, seeded: Make, store: Store) -> None:
    seeded(config=of_method("dylora")).begin().advance(200).finish()
    page = opened(window)
    page.choice.forms["adapter"].setChecked(True)
    assert "every rank from 1 to 8" in page.choice.rank_means.text()
    page.choice.rank.set_value(2)
    assert asked(page, store)["rank"] == 2
