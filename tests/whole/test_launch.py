"""Workers as real processes: detached, seen alive, asked to stop, killed, and never mistaken for another process."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core import launch as launching
from core.commands import Command
from core.config.run import RunConfig
from core.errors import UserError
from core.events import RunStarted
from core.home import Home
from core.launch import OFFLINE, RunLock, alive, discard, kill, launch, observe, terminate
from core.lock import held
from core.state import Phase, Status
from core.store.rows import RunRow
from core.store.store import Store
from tests.waiting import wait_until

STAND_IN = Path(__file__).with_name("stand_in.py")
ROOT = STAND_IN.parents[2]


@pytest.fixture
def store(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The window's store; workers find the project."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    store = Store(home)
    yield store
    for row in store.runs():
        kill(row.folder)
    store.close()


def start(store: Store, mode: str, run: str = "") -> str:
    """Launch the stand-in for a run, a new one where none is named; returns its id."""
    run = run or store.create_run(RunConfig(name="first"))
    launch(store.home, run, command=[sys.executable, str(STAND_IN), mode, run, str(store.home.root)])
    return run


def seen(store: Store, run: str) -> Status:
    """What the window shows."""
    return observe(store, store.run(run))[1]


def test_a_run_goes_from_starting_to_running_to_stopped(store: Store) -> None:
    run = start(store, "train")
    assert seen(store, run) in (Status.STARTING, Status.RUNNING)

    wait_until(lambda: store.curve(run, "loss")[0].size > 3)
    assert seen(store, run) is Status.RUNNING

    store.command(run, Command.STOP)
    wait_until(lambda: seen(store, run) is Status.STOPPED)
    assert store.run(run).state.step == store.curve(run, "loss")[0][-1]


def test_a_worker_runs_without_a_network_and_its_output_is_kept(store: Store) -> None:
    run = start(store, "finish")
    wait_until(lambda: seen(store, run) is Status.FINISHED)
    started = next(event for _, _, event in store.events(run) if isinstance(event, RunStarted))

    assert OFFLINE.items() <= started.environment.items()
    assert (store.run(run).folder / "worker.log").exists()


@pytest.mark.parametrize(("own", "expected"), [(None, "passive"), ("active", "active")])
def test_threads_of_a_worker_sleep_while_they_wait_unless_the_user_says_otherwise(
    store: Store, monkeypatch: pytest.MonkeyPatch, own: str | None, expected: str
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if own is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", own)
    run = start(store, "finish")
    wait_until(lambda: seen(store, run) is Status.FINISHED)
    started = next(event for _, _, event in store.events(run) if isinstance(event, RunStarted))

    assert started.environment["OMP_WAIT_POLICY"] == expected


def test_a_killed_worker_is_lost_and_can_be_launched_again(store: Store) -> None:
    run = start(store, "train")
    wait_until(lambda: seen(store, run) is Status.RUNNING)
    assert kill(store.run(run).folder)

    wait_until(lambda: seen(store, run) is Status.LOST)
    start(store, "finish", run)
    wait_until(lambda: seen(store, run) is Status.FINISHED)


@pytest.mark.parametrize("mode", ["die", "early"])
def test_a_worker_that_dies_before_it_has_said_anything_is_lost(store: Store, mode: str) -> None:
    run = start(store, mode)

    wait_until(lambda: seen(store, run) is Status.LOST)
    assert store.run(run).phase is Phase.STARTING


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "pass"], ids=["killed", "ended"])
def test_a_worker_outlives_whoever_launched_it_and_is_let_go_without_a_word(store: Store, end: str) -> None:
    run = store.create_run(RunConfig(name="first"))
    words = [sys.executable, str(STAND_IN), "train", run, str(store.home.root)]
    script = f"""
import os
from pathlib import Path
from core.home import Home
from core.launch import launch
launch(Home(Path({str(store.home.root)!r})), {run!r}, command={words!r})
{end}
"""
    window = subprocess.run(
        [sys.executable, "-W", "default", "-c", script], check=False, capture_output=True, text=True
    )
    assert (window.returncode == 0) is (end == "pass") and window.stderr == ""

    wait_until(lambda: seen(store, run) is Status.RUNNING)
    pid = json.loads((store.run(run).folder / "process.json").read_text(encoding="utf-8"))["pid"]
    if hasattr(os, "getsid"):
        assert os.getsid(pid) != os.getsid(0)
    store.command(run, Command.STOP)
    wait_until(lambda: seen(store, run) is Status.STOPPED)


def test_a_run_in_training_is_not_launched_twice_nor_deleted(store: Store) -> None:
    run = start(store, "train")
    with pytest.raises(UserError, match="already"):
        start(store, "train", run)
    with pytest.raises(UserError, match="being trained"):
        discard(store, run)  # its worker has hardly begun
    wait_until(lambda: seen(store, run) is Status.RUNNING)

    with pytest.raises(UserError, match="being trained"):
        discard(store, run)
    assert store.run(run).deleted is None
    with pytest.raises(UserError, match="another process"), RunLock(store.run(run).folder):
        pass


def test_a_run_in_the_bin_is_not_launched(store: Store) -> None:
    run = store.create_run(RunConfig(name="first"))
    discard(store, run)

    with pytest.raises(UserError, match="in the bin"):
        launch(store.home, run)


def test_a_worker_that_cannot_be_started_is_a_failure_of_the_run(store: Store) -> None:
    run = store.create_run(RunConfig(name="first"))
    with pytest.raises(UserError, match="could not be started"):
        launch(store.home, run, command=[str(store.home.root / "nothing")])

    assert seen(store, run) is Status.FAILED and not alive(store.run(run).folder)
    assert "could not be started" in store.run(run).state.message


def test_a_launch_that_cannot_be_noted_leaves_no_worker_on_its_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: Store, run: str) -> None:
        raise UserError("The disk is full.")

    monkeypatch.setattr(Store, "launched", full)
    run = store.create_run(RunConfig(name="first"))
    with pytest.raises(UserError, match="disk is full"):
        launch(store.home, run)

    assert not alive(store.run(run).folder)


def test_a_worker_on_its_way_is_launched_though_the_disk_is_full_by_now(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = launching._note

    def full(folder: Path, pid: int, created: float, *, worker: bool) -> None:
        if pid:
            raise OSError(errno.ENOSPC, "No space left on device")
        note(folder, pid, created, worker=worker)

    monkeypatch.setattr(launching, "_note", full)
    run = store.create_run(RunConfig(name="first"))
    child = launch(store.home, run, command=[sys.executable, "-c", "pass"])

    assert child.wait() == 0


def test_launches_take_turns(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    check, alone = launching._check, []

    def watched(row: RunRow) -> None:
        alone.append(held(store.home.root / launching.LAUNCHING_LOCK))
        check(row)

    monkeypatch.setattr(launching, "_check", watched)
    run = start(store, "finish")
    wait_until(lambda: seen(store, run) is Status.FINISHED)

    assert alone == [True]


def test_a_worker_that_has_ended_leaves_nothing_behind(store: Store) -> None:
    run = store.create_run(RunConfig(name="first"))
    child = launch(store.home, run, command=[sys.executable, "-c", "pass"])

    wait_until(lambda: not psutil.pid_exists(child.pid))


def test_terminating_ends_the_worker(store: Store) -> None:
    run = start(store, "train")
    wait_until(lambda: seen(store, run) is Status.RUNNING)

    assert terminate(store.run(run).folder)
    wait_until(lambda: not alive(store.run(run).folder))
    assert not terminate(store.run(run).folder) and not kill(store.run(run).folder)


def test_a_process_that_was_given_the_same_number_later_is_left_alone(store: Store) -> None:
    run = store.create_run(RunConfig(name="first"))
    folder = store.run(run).folder
    me = psutil.Process()
    note = {"pid": me.pid, "created": me.create_time() - 100, "worker": False}
    (folder / "process.json").write_text(json.dumps(note), encoding="utf-8")

    assert not alive(folder) and not terminate(folder) and not kill(folder)


def test_a_launch_that_was_cut_short_counts_as_alive_only_for_a_while(store: Store) -> None:
    folder = store.run(store.create_run(RunConfig(name="first"))).folder
    for age, expected in ((0.0, True), (100.0, False), (-100.0, False)):  # the last where the clock was put back
        note = {"pid": 0, "created": time.time() - age, "worker": False}
        (folder / "process.json").write_text(json.dumps(note), encoding="utf-8")
        assert alive(folder) is expected
    (folder / "process.json").write_text("{", encoding="utf-8")
    assert not alive(folder)


def test_the_holder_of_a_run_sees_itself_alive_and_keeps_it(store: Store) -> None:
    folder = store.run(store.create_run(RunConfig(name="first"))).folder
    with RunLock(folder):
        assert alive(folder)
        script = "import sys; from pathlib import Path; from core.launch import alive; print(alive(Path(sys.argv[1])))"
        other = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
        assert other.stdout == "True\n"

    assert not alive(folder)
