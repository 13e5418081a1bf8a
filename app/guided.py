"""A window that is led by itself: what a hand does with mouse and keyboard, and what an eye would wait for and see."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QWidget

from app.pages.layers import LayersPage
from app.start import make_window, show
from app.style.theme import Choice
from app.window import Window
from core.errors import UserError
from core.home import find_home
from core.launch import kill
from core.state import Status
from core.store.rows import RunRow

SIZES = {"small": (1280, 720), "": (1440, 900), "large": (2560, 1440)}
SLOW = 600.0
"""Seconds after which anything that is waited for is taken as not coming."""


class Broken(UserError):
    """The journey did not go as it must."""


class Guided:
    """A window on a home of its own, and a report of what is done with it.

    Args:
        out: where pictures, the report and the home go.
        quick: with fewer pictures.
    """

    def __init__(self, out: Path, *, quick: bool) -> None:
        self.out = out
        self.quick = quick
        self.home = find_home(str(out / "home"))
        self.report: dict[str, Any] = {"quick": quick, "pictures": [], "stops": []}
        self.window = self.open()

    # What the hand does

    def go(self, key: str) -> None:
        """Click a page in the navigation."""
        self.click(self.window.navigation.entries[key])
        self.expect(lambda: self.window.current == key, f"the page {key} is in front")

    def click(self, widget: QWidget) -> None:
        """One click in the middle; what is hidden or disabled cannot be clicked, here as in life."""
        name = widget.accessibleName() or type(widget).__name__
        self.expect(lambda: widget.isVisible() and widget.isEnabled(), f"“{name}” can be clicked")
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
        self.pause(0.05)

    def stroke(self, page: LayersPage, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag over the map from one cell (row, column) to another."""
        view = page.map.viewport()
        places: list[QPoint] = [page.map.place_of(cell) for cell in (start, end)]
        QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=places[0])
        QTest.mouseMove(view, places[1])
        QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=places[1])
        self.pause(0.05)

    def button(self, text: str) -> QAbstractButton:
        """The visible button of this text on the page in front."""
        buttons = self.window.page(self.window.current).findChildren(QAbstractButton)
        found = next((button for button in buttons if button.text() == text and button.isVisible()), None)
        if found is None:
            raise Broken(f"There is no button “{text}” on the page {self.window.current}.")
        return found

    # What the eye does

    def picture(self, name: str, *, all_sizes: bool = False) -> None:
        """Take the window as it is; with `all_sizes` in both schemes and three sizes."""
        schemes: tuple[Choice, ...] = ("dark", "light") if all_sizes and not self.quick else ("dark",)
        sizes = SIZES if all_sizes and not self.quick else {"": SIZES[""]}
        for scheme in schemes:
            self.window.context.theme.choose(scheme)
            for label, (width, height) in sizes.items():
                self.window.resize(width, height)
                self.pause(0.15)
                self.wait(self.window.updatesEnabled, "plots have taken the other colours")
                number = f"{len(self.report['stops']):02d}"
                file = self.out / f"{'-'.join(filter(None, (number, name, scheme, label)))}.png"
                self.window.grab().save(str(file))
                self.report["pictures"].append(file.name)
        self.window.context.theme.choose("dark")
        self.window.resize(*SIZES[""])

    def row(self) -> RunRow:
        """The run on show."""
        row = self.window.context.feed.row
        if row is None:
            raise Broken("No run is on show.")
        return row

    def status(self) -> Status | None:
        """How the run on show stands."""
        return self.window.context.feed.status

    def page(self, kind: type[Any]) -> Any:
        """The page of a class."""
        return self.window.page(kind.key)

    def expect(self, holds: Callable[[], bool], what: str) -> None:
        """Something must hold now."""
        if not holds():
            raise Broken(f"It does not hold that {what}.")

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        """Something must hold before long."""
        until = time.monotonic() + SLOW
        while not holds():
            if time.monotonic() > until:
                raise Broken(f"In {SLOW:g} seconds it did not come to this: {what}.")
            QTest.qWait(20)

    def pause(self, seconds: float = 0.3) -> None:
        """Let the window paint and follow."""
        QTest.qWait(round(seconds * 1000))

    # The frame

    def open(self) -> Window:
        """Open a window on the home."""
        window = make_window(self.home)
        window.context.theme.choose("dark")
        window.resize(*SIZES[""])
        show(window)
        window.activateWindow()
        QTest.qWaitForWindowActive(window)
        return window

    def shut(self) -> None:
        """Close the window; it has gone like one whose process has ended."""
        self.window.close()
        self.window.deleteLater()
        self.pause(0.4)

    @contextmanager
    def stop(self, name: str) -> Iterator[None]:
        """One part of the way; where it breaks, a picture is left."""
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            yield
        except BaseException:
            self.window.grab().save(str(self.out / "broken.png"))
            raise
        finally:
            seconds = round(time.monotonic() - began, 1)
            self.report["stops"].append({"name": name, "seconds": seconds})

    def close(self) -> None:
        """Let go of everything."""
        for row in self.window.context.store.runs():
            kill(self.home.run(row.id))
        self.window.close()
