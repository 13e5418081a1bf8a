"""Tells the window when the database has changed, and follows the run on show.

Ten times a second it asks SQLite whether another process has written (one pragma, no reading). Only then it reads, and
only what lies after its cursor, so a live run, one found running after a restart and one of last year are the same to
the pages. Whether a worker is alive is looked at once a second: nobody writes a row when a process is killed.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from core.errors import UserError
from core.figures.trace import Trace
from core.launch import observe
from core.state import Status
from core.store.rows import RunRow
from core.store.store import Store

INTERVAL = 100
"""Milliseconds between two looks."""
PORTION = 4000
"""Points of each curve that are read at once: a long run comes in portions, with a frame painted after each."""
_LIVENESS_EVERY = 10
_LIST_EVERY = 10


class Feed(QObject):
    """The window's eye on the store.

    Attributes:
        row: the run on show; None without one.
        trace: its measurements and events.
        status: what it is doing, "lost" where its worker has gone.
    """

    run_changed = Signal(object)
    """The set of what is new of the run on show: curve and vector keys, "events", "row", "status"."""
    watched = Signal()
    """Another run is on show (or none): `row`, `trace` and `status` are new."""
    runs_changed = Signal()
    """The list of runs may read differently; at most once a second."""

    poked = Signal()
    """The window itself has changed the list of runs: whoever shows it reads it at once."""
    trouble = Signal(str)
    """The database cannot be read, in a sentence; empty once it can again."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._trouble = ""
        self._store = store
        self.row: RunRow | None = None
        self.trace: Trace | None = None
        self.status: Status | None = None
        self._looks = 0
        self._list_is_old = False
        self._timer = QTimer(self, interval=INTERVAL)
        self._timer.timeout.connect(self.look)
        self._catching_up = QTimer(self, singleShot=True, interval=0)
        self._catching_up.timeout.connect(self._catch_up)

    def start(self) -> None:
        """Begin to look."""
        self._store.changed()
        self._timer.start()

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()
        self._catching_up.stop()

    def watch(self, run_id: str | None) -> None:
        """Put a run on show (None: none)."""
        self.row, self.trace, self.status = None, None, None
        if run_id is not None:
            self.row, self.status = observe(self._store, self._store.run(run_id))
            self.trace = Trace(self._store, run_id, portion=PORTION)
            self.trace.update()
        self.watched.emit()
        self._go_on()

    def poke(self) -> None:
        """Read at once: the window itself has written."""
        self.poked.emit()
        self.runs_changed.emit()
        self._read()

    def look(self) -> None:
        """Ask whether anything has changed, and read it."""
        self._looks += 1
        try:
            if self._store.changed():
                self._list_is_old = True
                self._read()
            elif self._looks % _LIVENESS_EVERY == 0 and self.row is not None and self.row.under_way:
                self._read()
            self._go_on()  # A page may have asked for more.
            self._tell_trouble("")
        except UserError as error:
            self._tell_trouble(str(error))
        if self._list_is_old and self._looks % _LIST_EVERY == 0:
            self._list_is_old = False
            self.runs_changed.emit()

    def _read(self) -> None:
        """Read what is new of the run on show."""
        if self.row is None or self.trace is None:
            return
        row, found = observe(self._store, self._store.run(self.row.id))
        changed = self.trace.update()
        changed |= {"row"} if row != self.row else set()
        if found != self.status:
            changed.add("status")
            self._list_is_old = True
        self.row, self.status = row, found
        if changed:
            self.run_changed.emit(changed)
        self._go_on()

    def _go_on(self) -> None:
        """Come back at once where there is more to read."""
        if self.trace is not None and self.trace.behind:
            self._catching_up.start()

    def _catch_up(self) -> None:
        """Read the next portion of a long run."""
        try:
            self._read()
        except UserError as error:
            self._tell_trouble(str(error))

    def _tell_trouble(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            self.trouble.emit(text)
