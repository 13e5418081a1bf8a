"""How long the window is busy in one piece: the processor time of its thread in each turn of the event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from PySide6.QtCore import QAbstractEventDispatcher, QEventLoop, QTimer

_QUIET, _IDLE = 400, 8
"""Whatever was begun has ended once so many milliseconds had no turn that was longer than so many."""
_MOST = 50
"""Times that are waited at most for that."""
_BETWEEN = 25
"""Milliseconds between two moves of a hand."""


class Turns:
    """Notes the processor time of each turn: what other programs do hardly lengthens it."""

    def __init__(self) -> None:
        self._begun = time.thread_time()
        self._longest = 0.0
        QAbstractEventDispatcher.instance().awake.connect(self._turn)

    def worst(self, action: Callable[[], object], until: Callable[[], bool] = lambda: True) -> float:
        """The milliseconds of the longest turn from an action on, until all is quiet."""
        longest = max(self._after(action, _QUIET), self._rest())
        while not until():
            longest = max(longest, self._rest())
        return longest

    def each(self, actions: Iterable[Callable[[], object]]) -> list[float]:
        """The longest turn after each of several actions that follow one another as fast as a hand is."""
        found = [self._after(action, _BETWEEN) for action in actions]
        found[-1] = max(found[-1], self._rest())
        return found

    def _rest(self) -> float:
        """The longest turn of those that follow until all is quiet."""
        found = [self._after(lambda: None, _QUIET)]
        while found[-1] > _IDLE and len(found) < _MOST:
            found.append(self._after(lambda: None, _QUIET))
        return max(found)

    def _after(self, action: Callable[[], object], wait: int) -> float:
        loop = QEventLoop()

        def act() -> None:
            action()
            QTimer.singleShot(wait, loop.quit)

        QTimer.singleShot(0, act)
        self._longest, self._begun = 0.0, time.thread_time()
        loop.exec()
        self._turn()
        return self._longest

    def _turn(self) -> None:
        now = time.thread_time()
        self._longest = max(self._longest, 1000 * (now - self._begun))
        self._begun = now
