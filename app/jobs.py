"""Short jobs that need torch or a tokenizer: asked of the warm worker through the store, and followed there.

The window never computes them itself. `ask` writes a row and returns a `Job` to follow; the worker takes the row,
writes its progress into it, and at last its result or its error. A worker that dies ends its job as failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from core.errors import UserError
from core.home import Home
from core.launch import ensure_service
from core.store.store import Store

INTERVAL = 100
"""Milliseconds between two looks at the jobs under way; nothing is looked at while there are none."""
_ENSURE_EVERY = 20
"""Looks between two checks that the warm worker is there while a job waits for it."""


class Job(QObject):
    """One job under way. It lives until it has ended; exactly one of `done`, `failed`, `cancelled` is sent."""

    progress = Signal(str, object)
    """What it is busy with, and a share from 0 to 1 or None."""
    done = Signal(object)
    """The result, a dict."""
    failed = Signal(str, str, str)
    """Sentence, hint, traceback (empty for the world's failures)."""
    cancelled = Signal()
    ended = Signal()
    """After any of the three."""

    def __init__(self, store: Store, id: int, kind: str) -> None:
        super().__init__()
        self._store = store
        self.id = id
        self.kind = kind
        self.text = ""
        self.share: float | None = None
        self.state = "queued"

    def cancel(self) -> None:
        """Ask the worker to end it; `cancelled` follows."""
        self._store.cancel(self.id)

    def look(self) -> None:
        """Read the row and tell what is new."""
        row = self._store.job(self.id)
        if (row.text, row.share) != (self.text, self.share):
            self.text, self.share = row.text, row.share
            self.progress.emit(self.text, self.share)
        if row.state == self.state:
            return
        self.state = row.state
        if row.state == "done":
            self.done.emit(row.result or {})
        elif row.state == "failed":
            self.failed.emit(row.error_text, row.error_hint, row.traceback)
        elif row.state == "cancelled":
            self.cancelled.emit()

    @property
    def over(self) -> bool:
        """Whether it has ended, in any way."""
        return self.state in ("done", "failed", "cancelled")


class Jobs(QObject):
    """Asks for jobs and follows them."""

    def __init__(self, home: Home, store: Store, *, ensure: Callable[[Home], object] = ensure_service) -> None:
        super().__init__()
        self._home = home
        self._store = store
        self._ensure = ensure
        self._looks = 0
        self.under_way: list[Job] = []
        self._timer = QTimer(self, interval=INTERVAL)
        self._timer.timeout.connect(self._look)

    def ask(
        self,
        kind: str,
        body: dict[str, Any],
        *,
        progress: Callable[[str, float | None], object] | None = None,
        done: Callable[[dict[str, Any]], object] | None = None,
        failed: Callable[[str, str, str], object] | None = None,
        cancelled: Callable[[], object] | None = None,
    ) -> Job:
        """Ask for a job.

        Args:
            kind: one of the service's kinds (`convert`, `inspect_data`, `export` ...).
            body: what it needs, JSON-able.
            progress, done, failed, cancelled: called as the signals of `Job` are sent.

        Raises:
            UserError: the warm worker cannot be started; nothing was asked.
        """
        self._ensure(self._home)
        job = Job(self._store, self._store.ask(kind, body), kind)
        for signal, handler in (
            (job.progress, progress), (job.done, done), (job.failed, failed), (job.cancelled, cancelled),
        ):  # fmt: skip
            if handler is not None:
                signal.connect(handler)
        self.under_way.append(job)
        self._timer.start()
        return job

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()

    def _look(self) -> None:
        self._looks += 1
        if self._looks % _ENSURE_EVERY == 0:
            self._revive()
        for job in list(self.under_way):
            try:
                job.look()
            except UserError:
                return  # The database cannot be read now: the feed, which reads it too, says so until it can.
            if job.over:
                self.under_way.remove(job)
                job.ended.emit()
        if not self.under_way:
            self._timer.stop()

    def _revive(self) -> None:
        """Start the warm worker again where it has died with jobs waiting; it ends what its forerunner left."""
        try:
            self._ensure(self._home)
        except UserError as error:
            for job in list(self.under_way):
                self.under_way.remove(job)
                job.failed.emit(error.text, error.hint, "")
                job.ended.emit()
