"""The warm worker: one process per home that does the short jobs which need torch or a tokenizer.

The window imports neither, so it puts a row into the table of jobs and watches the row. Starting Python and torch costs
seconds; the service pays them once and stays while its window is open. It takes jobs one by one, because two of them
would fight for the same memory.

This is the border of a job: whatever goes wrong inside ends up in the row, as the sentence of a `UserError` or as the
traceback of our mistake, and the service goes on. If the process itself is lost (out of memory, a crash below Python),
the next service says so of the job that was under way.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
import traceback
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Protocol

import psutil

from core import heap
from core.errors import Cancelled, UserError
from core.home import Home
from core.launch import OFFLINE, SERVICE_LOCK
from core.lock import FileLock
from core.saying import Say
from core.store.jobs import Jobs
from core.store.rows import JobRow
from core.store.store import Store

HANDLERS: Mapping[str, str] = {
    "convert": "core.models.gguf:convert_job",
    "inspect_data": "core.data.report:inspect_job",
    "preview_data": "core.data.preview:preview_job",
    "data_columns": "core.data.columns:columns_job",
    "export": "core.export.job:export_job",
    "import": "core.export.importing:import_job",
    "importance": "core.train.importance:importance_job",
    "insight": "core.insight.job:insight_job",
    "every_rank": "core.train.every_rank:every_rank_job",
    "report": "core.insight.report:report_job",
}
"""Kind of a job to `module:function`, imported when the first such job comes."""
PASSING = frozenset({"convert", "inspect_data", "preview_data", "data_columns", "export", "import"})
"""Kinds of jobs whose rows are forgotten some time after they ended: what they made is elsewhere, or made anew."""

_TICK, _TROUBLE = 0.1, 5.0
"""Seconds between two looks at the table, and between two notes of a job's progress; and after a look that failed."""

_log = logging.getLogger(__name__)


class Handler(Protocol):
    """What does a job: its result goes into the row, so it is made of what JSON knows."""

    def __call__(self, home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
        """Do the job that `body` describes."""


def main(home: Home, *, parent: int, handlers: Mapping[str, str] = HANDLERS) -> int:
    """Serve until the window has gone and nothing waits any more; returns the exit status.

    Args:
        home: whose jobs.
        parent: the window's process.
        handlers: see `HANDLERS`.
    """
    os.environ.update(OFFLINE)
    lock = FileLock(home.root / SERVICE_LOCK)
    if not lock.acquire(patience=_TICK):
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        with closing(Store(home)) as store:
            _serve(home, store.jobs, _Window(parent), handlers)
    finally:
        lock.release()
    return 0


class _Window:
    """The process that the service belongs to."""

    def __init__(self, process: int) -> None:
        try:
            self._process = psutil.Process(process)
        except psutil.NoSuchProcess:
            self._process = None

    @property
    def open(self) -> bool:
        """Whether it is still there."""
        try:
            there = self._process
            return there is not None and there.is_running() and there.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def _serve(home: Home, jobs: Jobs, window: _Window, handlers: Mapping[str, str]) -> None:
    """Serve through a disk that is full or a database that is locked; what was under way then is given up."""
    while True:
        try:
            jobs.abandon()
            jobs.prune(PASSING)
            _take(home, jobs, window, handlers)
            return
        except UserError as error:
            _log.warning("%s", error)
            if not window.open:
                return
            time.sleep(_TROUBLE)


def _take(home: Home, jobs: Jobs, window: _Window, handlers: Mapping[str, str]) -> None:
    """Take jobs until nobody is there and none waits: what was asked for is done even if the window has closed."""
    while True:
        job = jobs.take()
        if job is not None:
            _do(home, jobs, job, handlers)
            heap.give_back()
        elif window.open:
            time.sleep(_TICK)
        else:
            return


def _do(home: Home, jobs: Jobs, job: JobRow, handlers: Mapping[str, str]) -> None:
    """One job, and whatever comes of it into its row."""
    _log.info("job %d: %s", job.id, job.kind)
    try:
        result = _handler(job.kind, handlers)(home, job.body, _Progress(jobs, job.id))
        jobs.done(job.id, result)
    except Cancelled:
        jobs.cancelled(job.id)
    except UserError as error:
        jobs.failed(job.id, error.text, hint=error.hint)
    except Exception as error:
        _log.exception("job %d failed", job.id)
        text = f"{type(error).__name__}: {error}"
        jobs.failed(job.id, text, hint="This is a bug in Rankloom.", traceback=traceback.format_exc())
    _log.info("job %d: %s", job.id, jobs.row(job.id).state)


def _handler(kind: str, handlers: Mapping[str, str]) -> Handler:
    """The function of a kind, imported."""
    module, _, name = handlers[kind].partition(":")
    found: Handler = getattr(importlib.import_module(module), name)
    return found


class _Progress:
    """Puts what a job is busy with into its row, at most every tenth of a second, and hears there of its end."""

    def __init__(self, jobs: Jobs, job: int) -> None:
        self._jobs = jobs
        self._job = job
        self._next = 0.0

    def __call__(self, text: str, share: float | None = None) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _TICK
        try:
            cancelled = self._jobs.progress(self._job, text, share)
        except UserError as error:
            _log.warning("progress is not shown: %s", error.text)
            return
        if cancelled:
            raise Cancelled("Cancelled.")
