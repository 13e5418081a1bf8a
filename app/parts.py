"""Work of the window's that comes in parts: each in a frame of its own, so that none of them keeps the eye waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from PySide6.QtCore import QObject, QTimer

APART = 16
"""Milliseconds from one part to the next: a frame of a screen."""


class Parts(QObject):
    """Does again and again what a generator does, which yields between two parts.

    Args:
        parent: with which it ends.
        begin: makes the generator; one that has nothing to do ends without yielding.
    """

    def __init__(self, parent: QObject, begin: Callable[[], Iterator[None]]) -> None:
        super().__init__(parent)
        self._begin = begin
        self._left: Iterator[None] = iter(())
        self._timer = QTimer(self, singleShot=True, interval=APART)
        self._timer.timeout.connect(self._go_on)

    def soon(self) -> None:
        """The first part now, the others in frames to come; where some are still to be done, a new round after them."""
        if not self._timer.isActive():
            self._go_on()

    def now(self) -> None:
        """All at once, what is still to be done first."""
        self._timer.stop()
        for _ in chain(self._left, self._begin()):
            pass

    def drop(self) -> None:
        """Leave what is still to be done."""
        self._timer.stop()
        self._left = iter(())

    def _go_on(self) -> None:
        for left in (self._left, self._begin()):
            self._left = left
            if next(left, self) is None:
                self._timer.start()
                return
