"""What tests of the window share: the application, a window of a fresh home, and runs in it."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QtMsgType, qInstallMessageHandler
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.start import make_application, make_window
from app.style.theme import Theme
from app.window import Window
from core.config.run import RunConfig
from core.home import Home
from core.lock import FileLock
from core.store.store import LOCK, Store
from tests.app import seed
from tests.app.seed import Seeded

QUIET = ("propagateSizeHints", "raise()")
"""What the offscreen platform says about itself; anything else from Qt fails the test."""


@pytest.fixture(scope="session")
def qapp() -> QApplication:
    """The application as `app.start` makes it."""
    return make_application()


@pytest.fixture(autouse=True, scope="module")
def _garbage_is_collected_in_this_thread() -> Iterator[None]:
    """As `app.garbage` has it: in the thread of a run's writer, Python would take Qt's objects apart under our feet."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def _qt_says_nothing() -> Iterator[None]:
    said: list[str] = []
    qInstallMessageHandler(lambda kind, _, text: said.append(text) if kind != QtMsgType.QtDebugMsg else None)
    yield
    qInstallMessageHandler(None)
    assert [text for text in said if not any(word in text for word in QUIET)] == []


@pytest.fixture(autouse=True)
def _edits_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no edit of a test comes so late that it is a step of its own."""
    monkeypatch.setattr("app.document._PAUSE", math.inf)


@pytest.fixture(autouse=True)
def _single_widgets_are_styled(qapp: QApplication) -> Iterator[None]:
    """A window has taken the stylesheet with it: whatever is shown without one next is given a theme of its own."""
    yield
    if not qapp.styleSheet():
        Theme._current = None


@pytest.fixture(autouse=True)
def _what_is_to_go_is_gone(qapp: QApplication) -> Iterator[None]:
    """Without a running event loop nothing is deleted by itself: it would be styled by every later theme, and fall to
    pieces in the middle of a later test, the first that waits for its window."""
    yield
    qapp.sendPostedEvents(None, int(QEvent.Type.DeferredDelete.value))


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """A connection of the test's own."""
    opened = Store(home)
    yield opened
    opened.close()


@pytest.fixture
def seeded(home: Home, store: Store) -> Iterator[Callable[..., Seeded]]:
    """Makes invented runs; `alive=True` holds the run's lock, as its worker would."""
    locks: list[FileLock] = []
    made: list[Seeded] = []

    def make(name: str = "devil-first-try", *, alive: bool = False, config: RunConfig | None = None) -> Seeded:
        run = Seeded(home, store, config=config or seed.config(name), blocks=3, seed=len(made))
        made.append(run)
        if alive:
            locks.append(FileLock(home.run(run.run) / LOCK))
            assert locks[-1].acquire()
        return run

    yield make
    for run in made:
        run.close()
    for lock in locks:
        lock.release()


@pytest.fixture
def window(home: Home, qapp: QApplication) -> Iterator[Callable[[], Window]]:
    """Opens windows of the home; feed and jobs are looked at by hand, and no worker is started."""
    opened: list[Window] = []

    def make() -> Window:
        made = make_window(home)
        opened.append(made)
        made.context.jobs._ensure = lambda home: None
        made.resize(1280, 720)
        made.show()
        made.context.feed.stop()
        made.activateWindow()
        assert QTest.qWaitForWindowActive(made, 30_000)
        return made

    yield make
    for one in opened:
        one.context.jobs.under_way.clear()
        one.close()
        one.deleteLater()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside the home."""
    made = tmp_path / "elsewhere"
    made.mkdir()
    return made
