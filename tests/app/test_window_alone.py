"""The window is the only window: nothing that a page makes may flash up on its own."""

from __future__ import annotations

import sys

from PySide6.QtCore import QEvent, QObject
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.start import make_window
from app.starting_point import starting_point
from app.window import PAGES, Window
from core.home import Home
from core.models.catalog import tiny_model


class Watching(QObject):
    """Notes every widget that is shown as a window of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.isWindow():
            self.shown.append(type(watched).__name__)
        return False


def test_no_page_shows_a_window_of_its_own(qapp: QApplication, home: Home) -> None:
    watching = Watching()
    qapp.installEventFilter(watching)
    window = make_window(home)
    try:
        window.show()
        window.document.update(starting_point(tiny_model()), "Starting point")
        for key in PAGES:
            window.go(key)
            QTest.qWait(10)
    finally:
        qapp.removeEventFilter(watching)
        window.close()

    assert watching.shown == [Window.__name__]


def test_calls_into_qt_do_not_use_up_none(qapp: QApplication) -> None:
    """PySide6 6.12.0 lost a reference to None in each such call, and a window died of it within the hour."""
    widget = QWidget()
    before = sys.getrefcount(None)
    for _ in range(5000):
        widget.setToolTip("")

    assert sys.getrefcount(None) > before - 1000
