"""The list of runs, read a portion at a time: ten thousand at once would hold the window up for two frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice

from PySide6.QtCore import QObject, QTimer

from core.launch import observe
from core.state import Status
from core.store.rows import RunRow
from core.store.store import Store

PORTION = 1000
"""Runs that are read in one turn of the window."""


class Listing(QObject):
    """Reads what is asked for, the newest first.

    Args:
        store: where the runs are.
        show: called with the runs and whether these are all. Of a list that is read again only the whole is shown; of
            one that was not asked for before also its first portion, because there is nothing of it to look at yet.

    Attributes:
        cost: the seconds that reading and showing the list took last.
    """

    def __init__(self, store: Store, show: Callable[[list[RunRow], bool], object], parent: QObject) -> None:
        super().__init__(parent)
        self.cost = 0.0
        self._store, self._show = store, show
        self._shown: tuple[str, Status | None] | None = None
        self._spent = 0.0
        self._portions: Iterator[None] = iter(())
        self._next = QTimer(self, singleShot=True, interval=0)
        self._next.timeout.connect(self._read_on)

    def read(self, search: str = "", wanted: Status | None = None) -> None:
        """Read the runs with these words and this status: the first portion now, the others while the window goes on.

        Args:
            search: as of `Store.runs`.
            wanted: None for any.
        """
        self._spent = 0.0
        self._portions = self._read(search, wanted)
        self._read_on()

    def stop(self) -> None:
        """Read no more of it."""
        self._next.stop()

    def _read_on(self) -> None:
        begun = time.perf_counter()
        more = any(True for _ in islice(self._portions, 1))
        self._spent += time.perf_counter() - begun
        if more:
            self._next.start()
        else:
            self.cost = self._spent

    def _read(self, search: str, wanted: Status | None) -> Iterator[None]:
        rows: list[RunRow] = []
        last: RunRow | None = None
        while portion := self._store.runs(search=search, before=last, most=PORTION):
            last = portion[-1]
            rows += [row for row in portion if wanted is None or observe(self._store, row)[1] == wanted]
            if len(portion) < PORTION:
                break
            if self._shown != (search, wanted):
                self._shown = search, wanted
                self._show(rows, False)
            yield
        if len(rows) > PORTION:
            yield
        self._shown = search, wanted
        self._show(rows, True)
