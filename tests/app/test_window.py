"""The window itself: pages, keys, dropping, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLineEdit, QWidget

from app.actions import Actions
from app.dropped import kind_of
from app.errors import ErrorDialog, show_error
from app.menu import window_menu
from app.widgets.navigation import Entry
from app.window import PAGES, Window
from core.errors import Cancelled, UserError
from core.home import Home
from core.models.catalog import tiny_model
from tests.app.seed import Seeded

Make = Callable[..., Seeded]
Open = Callable[[], Window]
CTRL = Qt.KeyboardModifier.ControlModifier


def test_the_first_page_is_the_model_and_later_the_one_that_was_in_front(window: Open) -> None:
    first = window()
    assert first.current == "model"
    first.go("layers")
    first.close()
    assert window().current == "layers"


def test_a_run_under_way_is_in_front_when_the_window_opens_again(window: Open, seeded: Make) -> None:
    seeded("live", alive=True).begin().advance(5)
    shown = window()
    assert shown.current == "run" and shown.windowTitle().startswith("live")


def test_a_page_that_is_not_made_yet_comes_to_the_front_whole_as_soon_as_it_is(window: Open) -> None:
    shown = window()
    before = shown.page("model")
    shown.go("method")
    assert shown.current == "method" and before.isVisible()
    seen = []
    while "method" not in shown.pages:
        seen.append(before.isVisible())
        QApplication.processEvents()
    page = cast(Any, shown.page("method"))
    assert all(seen) and page.isVisible() and page.hasFocus() and page.method.isVisible()


def test_a_page_asked_for_in_the_middle_of_its_making_is_whole(window: Open) -> None:
    shown = window()
    shown._make_part("runs")
    assert cast(Any, shown.page("runs")).table.model() is not None


def test_every_page_is_reached_with_a_key(window: Open) -> None:
    shown = window()
    for number, key in enumerate(PAGES, start=1):
        QTest.keyClick(shown, Qt.Key(Qt.Key.Key_0 + number), CTRL)
        assert shown.current == key and shown.navigation.entries[key].isChecked()


def test_size_and_place_are_remembered_in_the_home(window: Open, home: Home) -> None:
    first = window()
    first.resize(1000, 700)
    first.close()
    assert (home.root / "window.ini").exists()
    from app.start import make_window

    again = make_window(home)
    assert (again.width(), again.height()) == (1000, 700)
    again.close()


def test_changes_of_the_configuration_are_undone_and_redone_with_keys(window: Open) -> None:
    shown = window()
    shown.document.set("adapter.rank", 32)
    QTest.keyClick(shown, Qt.Key.Key_Z, CTRL)
    assert shown.document.config.adapter.rank == 8
    QTest.keyClick(shown, Qt.Key.Key_Y, CTRL)
    assert shown.document.config.adapter.rank == 32


def test_a_start_judges_the_configuration_as_it_stands_at_that_moment(
    window: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = window()
    document = shown.document
    data = folder / "a.jsonl"
    data.write_text('{"prompt": "a", "completion": "b"}\n', encoding="utf-8")
    document.update({"model.path": str(tiny_model()), "data.path": str(data), "adapter.layers": "attention"})
    assert document.check() == {}
    begun, said = [], []
    monkeypatch.setattr(Actions, "start", lambda _self, config: begun.append(config))
    monkeypatch.setattr("app.window.show_error", lambda error, _parent: said.append(error))
    document.update({"adapter.magnitude": "row", "adapter.delta": "full"})
    QTest.keyClick(shown, Qt.Key.Key_Return, CTRL)
    assert begun == [] and "needs" in said[0].hint


def test_text_is_scaled_with_keys(window: Open) -> None:
    shown = window()
    QTest.keyClick(shown, Qt.Key.Key_Plus, CTRL)
    assert shown.context.theme.scale == 1.1
    QTest.keyClick(shown, Qt.Key.Key_0, CTRL)
    assert shown.context.theme.scale == 1.0


def test_starting_without_a_model_says_what_is_missing(window: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("app.window.show_error", lambda error, parent: said.append(str(error)))
    shown = window()
    QTest.keyClick(shown, Qt.Key.Key_Return, CTRL)
    assert "No data is chosen yet." in said[0]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("model.gguf", "model"), ("folder", "model"), ("rows.jsonl", "data"), ("text.txt", "data"), ("photo.png", None)],
)
def test_what_is_dropped_is_recognised(folder: Path, name: str, kind: str | None) -> None:
    path = folder / name
    path.mkdir() if name == "folder" else path.touch()
    assert kind_of(path) == kind


def test_a_file_of_examples_dropped_on_the_window_becomes_the_data(window: Open, folder: Path) -> None:
    shown = window()
    path = folder / "rows.jsonl"
    path.write_text('{"text": "a"}\n', encoding="utf-8")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    shown.dropEvent(QDropEvent(QPointF(300, 300), Qt.DropAction.CopyAction, mime, buttons, keys))
    assert shown.document.config.data.path == str(path) and shown.current == "data"
    recent = next(
        menu for menu in window_menu(shown).findChildren(type(window_menu(shown))) if menu.title() == "Recent data"
    )
    assert [action.text() for action in recent.actions()] == ["rows.jsonl"]


def test_every_control_has_a_name_for_a_screen_reader_and_is_reached_with_the_keyboard(
    window: Open, seeded: Make
) -> None:
    seeded().begin().advance(30).samples().stop()
    shown = window()
    for key in PAGES:
        shown.page(key)
        shown.go(key)
    assert [cast(Any, shown.page("runs")).beside, cast(Any, shown.page("insight")).anatomy]  # made when looked at
    for control in shown.findChildren(QWidget):
        if not isinstance(control, QAbstractButton | QComboBox | QLineEdit) or _is_inside_qt(control):
            continue
        name = control.accessibleName() or (control.text() if hasattr(control, "text") else "")
        assert name, (type(control).__name__, control.parent())
        by_arrow = isinstance(control, Entry)  # from the page in front, to which Tab comes
        assert by_arrow or control.focusPolicy() & Qt.FocusPolicy.TabFocus, name


def _is_inside_qt(control: QWidget) -> bool:
    """Whether it is a part of one of Qt's own widgets: a line edit's cross, a table's corner, a spin box's field."""
    return not type(control).__module__.startswith("app.") and (
        control.objectName().startswith("qt_") or type(control).__name__ in ("QToolButton", "QAbstractButton")
    )


def test_an_error_of_the_world_has_no_traceback_and_a_bug_has_one(window: Open) -> None:
    shown = window()
    show_error(UserError("The disk is full.", hint="Make room."), shown)
    show_error(ValueError("wrong"), shown)
    show_error(Cancelled("ended"), shown)
    first, second = shown.findChildren(ErrorDialog)
    assert first.details.toPlainText() == "" and "ValueError: wrong" in second.details.toPlainText()
    for dialog in (first, second):
        dialog.accept()


def test_the_window_does_not_close_over_a_job_without_asking(window: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = window()
    shown.context.jobs.ask("export", {})
    monkeypatch.setattr(shown, "_may_end_jobs", lambda: False)
    assert not shown.close() and shown.isVisible()
    monkeypatch.setattr(shown, "_may_end_jobs", lambda: True)
    assert shown.close()
