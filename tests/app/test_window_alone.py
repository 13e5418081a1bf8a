"""The window is the only window: nothing that a page makes may flash up on its own. And it is left alone: nothing is
taken apart under its feet."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

from PySide6.QtCore import QEvent, QObject
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.garbage import Garbage
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
            window.page(key)
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


def test_garbage_of_qt_is_collected_in_its_own_thread_alone(qapp: QApplication) -> None:
    """An object that another thread takes apart leaves its timers behind, and the next one to fire is a crash."""
    parent = QObject()
    garbage = Garbage(parent)
    doomed = QObject()
    doomed.kept = doomed  # type: ignore[attr-defined]
    watched = weakref.ref(doomed)
    del doomed
    busy = threading.Thread(target=lambda: [[cycle, cycle.append(cycle)] for cycle in ([] for _ in range(20_000))])
    busy.start()
    busy.join()
    assert watched() is not None
    garbage.collect()
    assert watched() is None


def test_what_the_window_is_made_of_is_not_looked_through_again(qapp: QApplication) -> None:
    parent = QObject()
    Garbage(parent).settle()
    try:
        assert gc.get_freeze_count() > 1000
        assert len(gc.get_objects()) < 1000
    finally:
        gc.unfreeze()
