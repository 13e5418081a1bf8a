"""Collects Python's cyclic garbage between two events, in the window's own thread, and in small helpings.

Left to itself, Python does so whenever enough objects have been made, and in whatever thread made the last of them.
Both harm a window. Looking through everything that a window with all its pages is made of takes 60 ms: a frame that
the eye sees. And an object of Qt that is collected in another thread leaves its timers behind in its own, where the
next one to fire takes the whole window down.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

INTERVAL = 1000
"""Milliseconds between two helpings."""
_MIDDLE_EVERY = 10
_ALL_EVERY = 60


class Garbage(QObject):
    """Takes over from Python's own timing for the rest of the process; tell it with `settle` what is here to stay."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        gc.unfreeze()
        self._helpings = 0
        self._timer = QTimer(self, interval=INTERVAL)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> None:
        """Collect what is new; now and then also what is older."""
        self._helpings += 1
        gc.collect(2 if self._helpings % _ALL_EVERY == 0 else 1 if self._helpings % _MIDDLE_EVERY == 0 else 0)

    def settle(self) -> None:
        """Something more stands: collect what making it has left, and look through what remains never again."""
        gc.collect()
        gc.freeze()
