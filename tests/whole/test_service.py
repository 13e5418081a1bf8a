"""The warm worker as a real process: what comes of a job is always in its row."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import service
from core.errors import UserError
from core.home import Home
from core.launch import SERVICE_LOCK, ensure_service
from core.lock import FileLock, held
from core.store.jobs import Jobs
from core.store.rows import JobRow
from core.store.store import Store
from tests.serving import do_jobs
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
SERVE = """
import sys
from pathlib import Path
from core import service
from core.home import Home
handlers = {name: f"tests.whole.chores:{name}" for name in ("add", "endless", "refuse", "stumble", "vanish")}
service.main(Home(Path(sys.argv[1])), parent=int(sys.argv[2]), handlers=handlers)
"""
HANDLERS = {"add": "tests.whole.chores:add"}


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the service to belong to; it ends when its input does."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The window's store."""
    store = Store(home)
    yield store
    store.close()


def ensure(store: Store, window: subprocess.Popen[bytes]) -> None:
    """See to it that a service with the chores is there."""
    ensure_service(store.home, command=[sys.executable, "-c", SERVE, str(store.home.root), str(window.pid)])


def ended(store: Store, window: subprocess.Popen[bytes], job: int) -> JobRow:
    """The row of a job once it has ended; the service is revived meanwhile, as the window does."""

    def look() -> bool:
        ensure(store, window)
        return store.job(job).ended

    wait_until(look)
    return store.job(job)


def test_jobs_are_done_one_after_the_other_whatever_comes_of_them(
    store: Store, window: subprocess.Popen[bytes]
) -> None:
    asked = [store.ask("add", {"numbers": [1, 2]}), store.ask("refuse", {}), store.ask("stumble", {})]
    asked += [store.ask("unheard of", {}), store.ask("add", {"numbers": [3]})]
    added, refused, stumbled, unknown, last = [ended(store, window, job) for job in asked]

    assert added.result == {"sum": 3, "home": str(store.home.root), "offline": "1"}
    assert (added.state, added.text, added.share) == ("done", "Adding", 1.0)
    assert (refused.state, refused.error_text, refused.error_hint) == (
        "failed",
        "The file is empty.",
        "Choose another.",
    )
    assert refused.traceback == ""
    assert stumbled.error_text == "ZeroDivisionError: by nothing" and "stumble" in stumbled.traceback
    assert unknown.state == "failed" and "unheard of" in unknown.error_text
    assert last.state == "done"


def test_a_running_job_is_cancelled_at_its_next_sign_of_life(store: Store, window: subprocess.Popen[bytes]) -> None:
    job = store.ask("endless", {})
    ensure(store, window)
    wait_until(lambda: store.job(job).text == "Counting")
    store.cancel(job)

    assert ended(store, window, job).state == "cancelled"


def test_a_job_that_takes_the_service_down_is_marked_failed_by_the_next(
    store: Store, window: subprocess.Popen[bytes]
) -> None:
    job, after = store.ask("vanish", {}), store.ask("add", {"numbers": []})
    row = ended(store, window, job)

    assert row.state == "failed" and "ended before" in row.error_text
    assert ended(store, window, after).result


def test_the_service_ends_when_its_window_has_gone(store: Store, window: subprocess.Popen[bytes]) -> None:
    ensure(store, window)
    lock = store.home.root / SERVICE_LOCK
    wait_until(lambda: held(lock))
    window.kill()
    window.wait()

    wait_until(lambda: not held(lock))


def test_what_was_asked_is_done_although_the_window_has_gone(store: Store, window: subprocess.Popen[bytes]) -> None:
    window.kill()
    window.wait()
    job = store.ask("add", {"numbers": [5]})
    ensure(store, window)

    wait_until(lambda: store.job(job).ended)
    assert store.job(job).state == "done"


def test_a_queued_job_is_cancelled_without_a_service(store: Store) -> None:
    job = store.ask("add", {"numbers": []})
    store.cancel(job)

    assert store.job(job).state == "cancelled" and store.jobs.take() is None


def test_a_job_that_is_done_stays_done(store: Store) -> None:
    job = store.ask("add", {"numbers": [1]})
    do_jobs(store.home, HANDLERS)
    store.cancel(job)

    assert store.job(job).state == "done"


def test_a_disk_that_is_full_for_a_while_ends_no_service(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched:
        """Somebody is there until the job is done."""

        def __init__(self, _: int) -> None: ...

        @property
        def open(self) -> bool:
            return not store.job(job).ended

    def full(jobs: Jobs) -> JobRow | None:
        if troubles:
            raise troubles.pop()
        return take(jobs)

    take, troubles = Jobs.take, [UserError("The disk is full.")]
    monkeypatch.setattr(service, "_Window", Watched)
    monkeypatch.setattr(service, "_TROUBLE", 0.0)
    monkeypatch.setattr(Jobs, "take", full)
    job = store.ask("add", {"numbers": [1, 2]})
    do_jobs(store.home, HANDLERS)

    assert store.job(job).result and store.job(job).state == "done"
    assert not held(store.home.root / SERVICE_LOCK)


def test_a_second_service_of_a_home_ends_at_once(store: Store) -> None:
    store.ask("add", {"numbers": [1]})
    with FileLock(store.home.root / SERVICE_LOCK):
        do_jobs(store.home, HANDLERS)

    assert store.jobs.take() is not None


@pytest.mark.parametrize("place", service.HANDLERS.values())
def test_every_kind_of_job_has_its_function(place: str) -> None:
    module, _, name = place.partition(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))

    assert name in {part.name for part in tree.body if isinstance(part, ast.FunctionDef)}
