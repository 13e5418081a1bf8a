"""The queue of runs: one small process per home starts each waiting run when nothing else is trained any more.

A run waits in the database (its phase is "queued", and it says so of itself), not in the memory of a window: what
starts it is a detached process without torch, which outlives the window as every worker does and ends when nothing
waits any more. Should it be killed with runs waiting, the next window that opens starts another.

Only one such process exists for a home (a file lock), and a run counts as under way as long as its worker holds its own
lock: so a worker that crashed blocks nothing, and one that is paused keeps its place, since it keeps its memory too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

from core.config.run import RunConfig
from core.errors import UserError
from core.events import Queued, RunFailed, RunStopped
from core.home import Home
from core.launch import LAUNCHING_LOCK, alive, launch, start_detached
from core.lock import FileLock, held
from core.state import UNDER_WAY, Phase
from core.store.rows import RunRow
from core.store.store import Store

QUEUE_LOCK = "queue.lock"
LOG = "queue.log"
_TICK, _TROUBLE = 0.25, 5.0
"""Seconds between two looks at what is under way; and after one that the database did not allow."""
_LAUNCH = partial(launch, queued=True)


def enqueue(home: Home, store: Store, config: RunConfig, *, against: str = "") -> str:
    """Make a run that starts when nothing else is trained any more; returns its id.

    Args:
        home, store: where it is to be.
        config: what is to be trained.
        against: id of the run to compare it with once it has ended; empty for none.

    Raises:
        UserError: the run cannot be made, or no process can be started; nothing waits then.
    """
    run = store.create_run(config)
    store.note(run, Queued(against))
    try:
        ensure_queue(home)
    except UserError:
        leave(store, run)
        raise
    return run


def leave(store: Store, run: str) -> bool:
    """Take a run out of the queue; returns whether it was in it. Nobody starts it at the same moment."""
    with FileLock(store.home.root / LAUNCHING_LOCK):
        waits = store.run(run).state.waiting
        if waits:
            store.note(run, RunStopped(0))
    return waits


def waiting(store: Store) -> list[RunRow]:
    """The runs that wait, the first in the queue first."""
    return [row for row in reversed(store.runs(phases=(Phase.QUEUED,))) if row.state.waiting]


def before(store: Store, run: str) -> str:
    """The name of what a run waits for: the one before it in the queue, or the one under way; empty for none."""
    ahead = [row.id for row in waiting(store)]
    if run in ahead and ahead.index(run):
        return store.run(ahead[ahead.index(run) - 1]).name
    busy = _busy(store)
    return busy.name if busy is not None else ""


def turn(store: Store, run: str) -> tuple[str, str]:
    """The place of a run in the queue in words ("Queued, 2nd of 3"), and what it waits for in a sentence."""
    ahead = [row.id for row in waiting(store)]
    place = ahead.index(run) + 1 if run in ahead else 1
    text = f"Queued, {_ordinal(place)} of {len(ahead)}" if len(ahead) > 1 else "Queued"
    name = before(store, run)
    return text, f"It starts when {name} has ended." if name else "It starts in a moment."


def _ordinal(place: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`."""
    last = 0 if place % 100 in (11, 12, 13) else place % 10
    return f"{place}{({1: 'st', 2: 'nd', 3: 'rd'}).get(last, 'th')}"


def ensure_queue(home: Home) -> None:
    """See to it that a process starts what waits; cheap where one is there.

    Raises:
        UserError: no process can be started.
    """
    # Twice, because on Windows somebody else who only looks has it himself for an instant.
    if held(home.root / QUEUE_LOCK) and held(home.root / QUEUE_LOCK):
        return
    try:
        start_detached("queue", home, home.root / LOG)
    except OSError as error:
        raise UserError(f"The queue could not be started: {error.strerror or error}.") from error


def main(home: Home, *, start: Callable[[Home, str], object] = _LAUNCH) -> int:
    """Start what waits, one after the other; returns the exit status.

    Args:
        home: whose runs.
        start: what starts a run's worker.
    """
    lock = FileLock(home.root / QUEUE_LOCK)
    with closing(Store(home)) as store:
        # Looked at once more after the lock is free: whoever queued a run meanwhile saw it held and started nobody.
        while waiting(store) and lock.acquire():
            try:
                _serve(home, store, start)
            finally:
                lock.release()
    return 0


def _serve(home: Home, store: Store, start: Callable[[Home, str], object]) -> None:
    """Until nothing waits. A disk that is full, or a database that is locked, ends no queue: it is tried again."""
    said = ""
    while True:
        try:
            ahead = waiting(store)
            if not ahead:
                return
            if _busy(store) is None:
                _start(home, store, ahead[0].id, start)
            time.sleep(_TICK)
        except UserError as error:
            if str(error) != said:
                said = str(error)
                print(said, flush=True)
            time.sleep(_TROUBLE)


def _start(home: Home, store: Store, run: str, start: Callable[[Home, str], object]) -> None:
    try:
        start(home, run)
    except UserError as error:
        if store.run(run).state.waiting:
            store.note(run, RunFailed(0, error.text, error.hint))


def _busy(store: Store) -> RunRow | None:
    """A run that is being trained, or on its way to it."""
    return next((row for row in store.runs(phases=UNDER_WAY) if alive(row.folder)), None)
