"""The Runs page: find, compare, note, repeat, remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from app.models.runs import COLUMNS, RunsModel
from app.pages.runs import RunsPage
from app.widgets import Button
from app.window import Window
from core.config.edit import replaced
from core.home import Home
from core.state import Status
from core.store.store import Store
from tests.app.seed import Seeded, config

Make = Callable[..., Seeded]
Open = Callable[[], Window]


@pytest.fixture
def three(seeded: Make, store: Store) -> list[Seeded]:
    runs = [
        seeded("first").begin().advance(200).finish(),
        seeded("second", config=config("second", method="rslora")).begin().advance(40).stop(),
        seeded("third").begin().advance(20).fail("The disk is full."),
    ]
    store.set_tags(runs[1].run, ["paper"])
    return runs


def opened(window: Open) -> RunsPage:
    shown = window()
    shown.go("runs")
    return cast(RunsPage, shown.page("runs"))


def names(page: RunsPage) -> list[str]:
    return [row.name for row in page.model.rows]


def choose(page: RunsPage, *rows: int) -> None:
    selection = page.table.selectionModel()
    selection.clearSelection()
    for row in rows:
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        selection.select(page.model.index(row, 0), flags)


def test_without_runs_the_page_says_so(window: Open) -> None:
    page = opened(window)
    assert page.empty.isVisible()
    assert [button for button in page.findChildren(Button) if button.isVisible()] == [page.more, page.empty.button]


def test_runs_are_listed_newest_first_with_their_status(window: Open, three: list[Seeded]) -> None:
    page = opened(window)
    assert names(page) == ["third", "second", "first"]
    texts = [page.model.data(page.model.index(row, 0)) for row in range(3)]
    assert texts == ["Failed", "Stopped", "Finished"]
    assert page.subtitle_label.text() == "3 runs"
    assert page.table.height() <= page.table.whole  # three rows are no reason for a large empty table


def test_every_curve_of_the_chosen_runs_is_named(window: Open, three: list[Seeded]) -> None:
    page = opened(window)
    choose(page, 0)
    assert not page.comparison.names.isVisible()  # its name stands beside the plot
    choose(page, 0, 1, 2)
    assert page.comparison.names.isVisible() and len(page.comparison.plot.legend._entries) == 3


def test_search_and_filter_narrow_the_list(window: Open, three: list[Seeded]) -> None:
    page = opened(window)
    page.search.setText("paper")
    page.refresh()
    assert names(page) == ["second"]
    page.search.setText("")
    page.filter.setCurrentIndex(page.filter.findData(Status.FINISHED))
    assert names(page) == ["first"]
    page.search.setText("nothing like it")
    page.refresh()
    assert names(page) == [] and page.nothing_found.isVisible() and not page.splitter.isVisible()
    assert not any(button.isVisible() for button in (page.open, page.compare_button, page.report, page.delete))
    assert page.nothing_found.button is not None
    page.nothing_found.button.click()
    assert len(names(page)) == 3 and page.delete.isVisible() and not page.nothing_found.isVisible()


def test_columns_sort_and_runs_without_a_value_come_last(window: Open, three: list[Seeded], seeded: Make) -> None:
    seeded("fresh")
    page = opened(window)
    page.table.sortByColumn(5, Qt.SortOrder.AscendingOrder)
    assert names(page)[0] == "first" and names(page)[-1] == "fresh"
    assert page.model.headerData(5, Qt.Orientation.Horizontal) == "Best loss ↑"


def test_several_chosen_runs_are_compared_in_one_plot(window: Open, three: list[Seeded]) -> None:
    page = opened(window)
    choose(page, 0, 2)
    figure = page.comparison.plot.figure
    assert figure is not None
    assert [(series.name, len(series.x)) for series in figure.series] == [("third", 21), ("first", 201)]
    assert not page.details.isVisible()


def test_name_tags_and_notes_are_kept(window: Open, three: list[Seeded], store: Store) -> None:
    page = opened(window)
    choose(page, 2)
    page.details.name.setText("best so far")
    page.details.name.editingFinished.emit()
    page.details.tags.setText("paper, keep , paper")
    page.details.tags.editingFinished.emit()
    page.details.notes.setPlainText("The rate was too high.")
    page.details.save()
    row = store.run(three[0].run)
    assert (row.name, row.tags, row.notes) == ("best so far", ("paper", "keep"), "The rate was too high.")
    assert names(page)[2] == "best so far"


def test_notes_in_the_making_are_saved_when_another_run_is_chosen(
    window: Open, three: list[Seeded], store: Store
) -> None:
    page = opened(window)
    choose(page, 2)
    page.details.notes.setPlainText("half a thou")
    choose(page, 0)
    assert store.run(three[0].run).notes == "half a thou"
    assert page.details.notes.toPlainText() == ""


def test_deleted_runs_go_to_the_bin_and_come_back(window: Open, three: list[Seeded], home: Home) -> None:
    page = opened(window)
    choose(page, 0, 1)
    page.table.setFocus()
    QTest.keyClick(page.table, Qt.Key.Key_Delete)
    assert names(page) == ["first"]
    assert (home.bin / three[2].run).is_dir()
    toast = cast(Window, page.window())._toast
    assert toast.isVisible() and toast.accessibleName() == "2 runs moved to the bin."
    toast._button.click()
    assert sorted(names(page)) == ["first", "second", "third"]


def test_the_bin_is_emptied_only_by_who_has_read_what_is_in_it(
    window: Open, three: list[Seeded], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(window)
    choose(page, 0)
    page.delete.click()
    asked: list[str] = []

    def answer(button: QMessageBox.StandardButton) -> None:
        monkeypatch.setattr(QMessageBox, "question", lambda _parent, _title, text: asked.append(text) or button)
        page._empty_bin()

    answer(QMessageBox.StandardButton.No)
    assert store.bin()[0] == 1
    answer(QMessageBox.StandardButton.Yes)
    assert store.bin() == (0, 0) and len(names(page)) == 2
    assert asked[0].startswith("Remove 1 deleted run (") and "cannot be restored" in asked[0]


def test_a_run_under_way_is_not_deleted_and_the_reason_is_said(
    window: Open, seeded: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded("busy", alive=True).begin().advance(3)
    said: list[str] = []
    monkeypatch.setattr("app.pages.runs.show_error", lambda error, parent: said.append(error.text))
    page = opened(window)
    page.delete.click()
    assert names(page) == ["busy"] and "being trained" in said[0]


def test_opening_a_run_shows_it_on_the_run_page(window: Open, three: list[Seeded]) -> None:
    page = opened(window)
    choose(page, 2)
    page.open.click()
    shown = cast(Window, page.window())
    assert shown.current == "run" and shown.windowTitle() == "first – Rankloom"


def test_a_run_is_duplicated_into_the_configuration_and_that_can_be_undone(window: Open, three: list[Seeded]) -> None:
    page = opened(window)
    choose(page, 1)
    document = page.context.document
    page.duplicate.click()
    assert document.config.adapter.method == "rslora"
    document.undo.undo()
    assert document.config.adapter.method == "lora"


def test_the_command_that_repeats_a_run_is_copied(window: Open, three: list[Seeded], home: Home) -> None:
    page = opened(window)
    choose(page, 0)
    page._each_first(page.context.actions.copy_as_command)
    copied = QGuiApplication.clipboard().text()
    assert copied.endswith(f"--home {home.root}") and str(home.run(three[2].run) / "run.yaml") in copied


def test_the_chosen_runs_stay_chosen_while_the_list_changes(window: Open, three: list[Seeded], seeded: Make) -> None:
    page = opened(window)
    choose(page, 1, 2)
    seeded("newest")
    page.context.feed.poke()
    assert names(page)[0] == "newest"
    assert [row.name for row in page.chosen] == ["second", "first"]


def test_ten_thousand_runs_are_only_looked_at_where_they_are_shown(store: Store, seeded: Make) -> None:
    seeded("one").begin().advance(1).finish()
    row = store.runs()[0]
    asked: list[str] = []

    def status(row: object) -> Status:
        asked.append("asked")
        return Status.FINISHED

    model = RunsModel(status)
    model.show([row] * 10_000)
    assert model.rowCount() == 10_000 and model.columnCount() == len(COLUMNS)
    assert asked == [] and "config" not in row.__dict__ and "state" not in row.__dict__


def test_a_check_that_was_overruled_is_shown_with_its_reason(window: Open, seeded: Make) -> None:
    seeded(config=replaced(config("bold"), {"data.overrides": {"end-not-trained": "They are parts of longer texts."}}))
    page = opened(window)
    choose(page, 0)
    assert page.details.overruled.isVisible()
    assert page.details.overruled.text() == "Overruled end-not-trained: They are parts of longer texts."


def test_the_details_of_a_failed_run_say_why(window: Open, seeded: Make) -> None:
    seeded("gone").begin().fail("There is no data at gone.jsonl.", "Check the path.")
    seeded("fine").begin().advance(3).finish()
    page = opened(window)
    for place, said in ((0, ""), (1, "There is no data at gone.jsonl. Check the path.")):
        choose(page, place)
        assert page.details.failure.isVisible() == bool(said)
        assert page.details.failure.text() == said or not said
