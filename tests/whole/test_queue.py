"""The queue as a real process: one run at a time, in order, whoever closes his window."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import lock, queue
from core.commands import Command
from core.config.run import RunConfig
from core.errors import UserError
from core.events import Event, Launched, RunStarted
from core.home import Home
from core.launch import alive, kill, launch, observe
from core.lock import held
from core.state import Phase, Status
from core.store.store import Store
from tests.waiting import wait_until

STAND_IN = Path(__file__).with_name("stand_in.py")
ROOT = STAND_IN.parents[2]
SERVE = """
import sys
from pathlib import Path
from core import queue
from core.home import Home
from core.launch import launch
def start(home, run):
    launch(home, run, command=[sys.executable, sys.argv[2], "finish", run, str(home.root)])
queue.main(Home(Path(sys.argv[1])), start=start)
"""


@pytest.fixture
def store(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The window's store; nobody starts a queue unless the test does."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(queue, "ensure_queue", lambda home: None)
    store = Store(home)
    yield store
    for row in store.runs():
        kill(row.folder)
        wait_until(lambda folder=row.folder: not alive(folder))
    store.close()


def seen(store: Store, run: str) -> Status:
    """What the window shows."""
    return observe(store, store.run(run))[1]


def test_waiting_runs_start_one_after_the_other_when_the_run_under_way_has_ended(store: Store) -> None:
    busy = store.create_run(RunConfig(name="busy"))
    launch(store.home, busy, command=[sys.executable, str(STAND_IN), "train", busy, str(store.home.root)])
    wait_until(lambda: seen(store, busy) is Status.RUNNING)
    one = queue.enqueue(store.home, store, RunConfig(name="one"), against=busy)
    two = queue.enqueue(store.home, store, RunConfig(name="two"))
    assert queue.before(store, one) == "busy" and queue.before(store, two) == "one"

    serving = subprocess.Popen([sys.executable, "-c", SERVE, str(store.home.root), str(STAND_IN)])
    wait_until(lambda: held(store.home.root / queue.QUEUE_LOCK))
    assert (seen(store, one), seen(store, two)) == (Status.QUEUED, Status.QUEUED)
    store.command(busy, Command.STOP)
    wait_until(lambda: seen(store, two) is Status.FINISHED)

    assert serving.wait(120) == 0, "it ends where nothing waits"
    begun = {
        run: next(time for _, time, event in store.events(run) if isinstance(event, RunStarted)) for run in (one, two)
    }
    assert seen(store, one) is Status.FINISHED and begun[one] < begun[two]
    assert store.run(one).state.against == busy and not store.run(one).state.waiting


def test_a_run_that_left_the_queue_is_not_started(store: Store) -> None:
    run = queue.enqueue(store.home, store, RunConfig(name="one"))
    assert queue.leave(store, run) and not queue.leave(store, run)
    started: list[str] = []

    assert queue.main(store.home, start=lambda home, run: started.append(run)) == 0
    with pytest.raises(UserError, match="left the queue"):  # as its turn came
        launch(store.home, run, queued=True)
    assert started == [] and store.run(run).phase is Phase.STOPPED


def test_a_run_that_cannot_be_started_fails_and_the_next_has_its_turn(store: Store) -> None:
    one = queue.enqueue(store.home, store, RunConfig(name="one"))
    queue.enqueue(store.home, store, RunConfig(name="two"))

    def start(home: Home, run: str) -> None:
        if run == one:
            raise UserError("It cannot be started.", hint="Look.")
        queue.leave(store, run)

    assert queue.main(store.home, start=start) == 0
    assert (store.run(one).phase, store.run(one).state.message) == (Phase.FAILED, "It cannot be started.")
    assert queue.waiting(store) == []


def test_somebody_who_only_looks_keeps_the_queue_from_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run, looks = queue.enqueue(store.home, store, RunConfig(name="one")), [False]
    taken = lock._granted
    monkeypatch.setattr(
        lock, "_granted", lambda handle, *, shared: looks.pop() if looks else taken(handle, shared=shared)
    )

    assert queue.main(store.home, start=lambda home, run: store.note(run, Launched())) == 0
    assert store.run(run).phase is Phase.STARTING


def test_a_queue_is_started_although_somebody_looked_at_the_same_moment(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, started = iter((True, False, True, True)), []
    monkeypatch.setattr(queue, "held", lambda path: next(looks))
    monkeypatch.setattr(queue, "start_detached", lambda mode, *_: started.append(mode))

    queue.ensure_queue(home)
    queue.ensure_queue(home)
    assert started == ["queue"]


def test_a_disk_that_is_full_for_a_while_ends_no_queue(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run, note = queue.enqueue(store.home, store, RunConfig(name="one")), Store.note
    refused = iter((True, True))  # the start, and the word about it

    def full(store: Store, run: str, event: Event) -> None:
        if next(refused, False):
            raise UserError("The disk is full.")
        note(store, run, event)

    monkeypatch.setattr(Store, "note", full)
    monkeypatch.setattr(queue, "_TROUBLE", 0.0)

    assert queue.main(store.home, start=lambda home, run: store.note(run, Launched())) == 0
    assert store.run(run).phase is Phase.STARTING


def test_what_cannot_be_served_does_not_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(home: Home) -> None:
        raise UserError("The queue could not be started.")

    monkeypatch.setattr(queue, "ensure_queue", refuse)
    with pytest.raises(UserError, match="could not be started"):
        queue.enqueue(store.home, store, RunConfig(name="one"))
    assert queue.waiting(store) == []
