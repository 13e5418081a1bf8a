"""Importing an adapter from the window, and going on from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from app.dropped import kind_of
from app.pages.method import MethodPage
from app.pages.runs import RunsPage
from app.widgets.beginning_notice import BeginningNotice
from app.widgets.import_dialog import ImportDialog
from app.window import Window
from core.config.run import ModelConfig
from core.models.catalog import tiny_model
from core.store.store import Store
from tests.app import seed
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
Open = Callable[[], Window]


def dialog_of(window: Window) -> ImportDialog:
    return window.findChildren(ImportDialog)[-1]


def test_a_dropped_adapter_is_imported_and_becomes_the_run_on_show(
    window: Open, seeded: Make, store: Store, folder: Path
) -> None:
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    run = seeded("of-a-friend").begin().advance(100).finish()
    shown = window()
    shown.document.update({"model.path": "/models/base"})
    assert kind_of(folder) == "adapter"
    shown.use(folder)
    dialog = dialog_of(shown)
    assert (dialog.adapter.text(), dialog.model.text()) == (str(folder), "/models/base")
    dialog.take.click()
    taken = store.jobs.take()
    assert taken is not None
    assert (taken.kind, taken.body) == ("import", {"adapter": str(folder), "model": "/models/base", "name": ""})
    assert dialog.control.cancel.isVisible() and not dialog.take.isEnabled()
    store.jobs.done(taken.id, {"run": run.run, "name": "of-a-friend", "notes": ["Its layers fit base."]})
    shown.context.jobs._look()
    assert not dialog.isVisible() and shown.current == "runs"
    assert shown.context.feed.row is not None and shown.context.feed.row.id == run.run
    assert "of-a-friend was imported. Its notes" in shown._toast.accessibleName()


def test_what_keeps_an_adapter_from_coming_is_said_and_can_be_put_right(window: Open, store: Store) -> None:
    shown = window()
    shown.import_adapter()
    dialog = dialog_of(shown)
    dialog.take.click()
    assert dialog.control.trouble.text == "No adapter is named."
    dialog.adapter.setText("/adapters/mine")
    dialog.take.click()
    assert dialog.control.trouble.text == "No base model is named."
    dialog.model.setText("/models/base")
    dialog.take.click()
    taken = store.jobs.take()
    assert taken is not None and not dialog.control.trouble.isVisible()
    store.jobs.failed(taken.id, "The adapter is of PEFT's type IA3, which is not known here.")
    shown.context.jobs._look()
    assert dialog.isVisible() and "type IA3" in dialog.control.trouble.text and dialog.take.isEnabled()
    dialog.close_button.click()


def test_closing_the_dialog_ends_what_it_asked(window: Open, store: Store) -> None:
    shown = window()
    shown.import_adapter("/adapters/mine")
    dialog = dialog_of(shown)
    dialog.model.setText("/models/base")
    dialog.take.click()
    assert dialog.control.job is not None
    job = dialog.control.job.id
    dialog.close_button.click()
    assert store.job(job).state == "cancelled"


def test_a_run_is_trained_further_and_the_method_page_says_so(window: Open, seeded: Make) -> None:
    model = ModelConfig(path=str(tiny_model()))
    run = seeded(config=seed.config("first").model_copy(update={"model": model})).begin().advance(200).finish()
    shown = window()
    shown.go("runs")
    cast(RunsPage, shown.page("runs"))._train_further()
    config = shown.document.config
    assert (config.adapter.begin, config.name, shown.current) == (run.run, "first-further", "method")
    notice = cast(MethodPage, shown.page("method")).findChild(BeginningNotice)
    assert notice is not None and notice.isVisible() and "what first has learned" in notice.text
    assert "adapter.begin" not in shown.document.problems()
    shown.document.set("adapter.method", "dora")
    assert "cannot begin from first: Magnitude is 'None' there" in shown.document.problems()["adapter.begin"]
    shown.document.undo.undo()
    shown.document.set("adapter.rank", 32)
    assert "has rank 8 and alpha 16 there" in shown.document.problems()["adapter.begin"]
    notice._begin_anew()
    assert shown.document.config.adapter.begin == "" and not notice.isVisible()
    assert "adapter.begin" not in shown.document.problems()
    shown.document.undo.undo()
    assert notice.isVisible()
