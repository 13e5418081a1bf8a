"""Jobs: asked for, followed, cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication

from app.jobs import Jobs
from core.errors import UserError
from core.home import Home
from core.store.jobs import Jobs as JobTable
from core.store.rows import JobRow
from core.store.store import Store


class Followed:
    """A job's signals, as a list."""

    def __init__(self, home: Home, store: Store) -> None:
        self.said: list[tuple[Any, ...]] = []
        self.started: list[Home] = []
        self.jobs = Jobs(home, store, ensure=self.started.append)
        self.job = self.jobs.ask(
            "export", {"run": "r"},
            progress=lambda *words: self.said.append(("progress", *words)),
            done=lambda result: self.said.append(("done", result)),
            failed=lambda *words: self.said.append(("failed", *words)),
            cancelled=lambda: self.said.append(("cancelled",)),
        )  # fmt: skip


@pytest.fixture
def followed(home: Home, store: Store, qapp: QApplication) -> Iterator[Followed]:
    made = Followed(home, store)
    yield made
    made.jobs.stop()


@pytest.fixture
def worker(home: Home) -> Iterator[JobTable]:
    """The table of jobs as the warm worker has it open."""
    with closing(Store(home)) as opened:
        yield opened.jobs


def test_a_job_tells_its_progress_and_its_result(followed: Followed, worker: JobTable, home: Home) -> None:
    taken = worker.take()
    assert taken is not None and (taken.kind, taken.body) == ("export", {"run": "r"})
    worker.progress(taken.id, "Merging", 0.5)
    followed.jobs._look()
    worker.done(taken.id, {"files": []})
    followed.jobs._look()
    assert followed.said[0] == ("progress", "Merging", 0.5)
    assert followed.said[-1] == ("done", {"files": []})
    assert followed.jobs.under_way == []
    assert followed.started == [home]


def test_a_failed_job_says_what_to_do(followed: Followed, worker: JobTable) -> None:
    taken = worker.take()
    assert taken is not None
    worker.failed(taken.id, "The disk is full.", hint="Make room.", traceback="")
    followed.jobs._look()
    assert followed.said == [("failed", "The disk is full.", "Make room.", "")]


def test_a_job_that_nobody_has_begun_is_cancelled_at_once(followed: Followed) -> None:
    followed.job.cancel()
    followed.jobs._look()
    assert followed.said == [("cancelled",)]


def test_a_worker_that_cannot_be_started_fails_the_jobs_that_wait_for_it(followed: Followed) -> None:
    def refuse(home: Home) -> None:
        raise UserError("The background worker could not be started.")

    followed.jobs._ensure = refuse
    for _ in range(20):
        followed.jobs._look()
    assert followed.said == [("failed", "The background worker could not be started.", "", "")]
    assert followed.jobs.under_way == []


def test_a_database_that_cannot_be_read_for_a_while_is_read_when_it_can(
    followed: Followed, worker: JobTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(job: int) -> JobRow:
        raise UserError("The database is in use by another program.")

    taken = worker.take()
    assert taken is not None
    worker.done(taken.id, {})
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(followed.job._store, "job", refuse)
        followed.jobs._look()
    assert followed.said == [] and followed.jobs.under_way == [followed.job]

    followed.jobs._look()
    assert followed.said[-1] == ("done", {}) and not followed.jobs.under_way
