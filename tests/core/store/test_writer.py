"""The worker's sink under real faults: a locked database, a full disk, a kill; nothing that was said is lost."""

from __future__ import annotations

import errno
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from core.commands import Command
from core.config.run import RunConfig
from core.errors import UserError
from core.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    Noticed,
    Rewound,
    RunFailed,
    RunFinished,
    RunStarted,
    Sampled,
    StageChanged,
)
from core.home import Home
from core.layers import LayerInfo
from core.state import Phase
from core.store import writer as writer_module
from core.store.records import Record
from core.store.spill import Spill
from core.store.store import Store
from core.store.writer import Writer
from tests.waiting import wait_until

STARTED = RunStarted(0, 20, "cpu", "float32", 64, 1000, 8, 2, {})


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The window's store."""
    store = Store(home)
    yield store
    store.close()


@pytest.fixture
def run(store: Store) -> str:
    """A run that nobody has started."""
    return store.create_run(RunConfig(name="first"))


@pytest.fixture
def writer(home: Home, run: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """Its worker's writer, which gives up on locks at once and tries again soon."""
    monkeypatch.setattr(writer_module, "PATIENCE", 0.0)
    monkeypatch.setattr(writer_module, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(writer_module, "FAREWELL", 0.0)
    writer = Writer(home, run)
    yield writer
    if not writer._closing:
        writer.close()


class Locked:
    """Another program that holds the database as long as the block lasts."""

    def __init__(self, home: Home) -> None:
        self._path = home.database

    def __enter__(self) -> None:
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        self._connection.execute("BEGIN EXCLUSIVE")

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def fill(writer: Writer) -> Callable[[], None]:
    """Make the disk full for the writer's database, and return what makes room again."""
    pages = writer._database.execute("PRAGMA page_count").fetchone()[0]
    most = writer._database.execute("PRAGMA max_page_count").fetchone()[0]
    writer._database.execute(f"PRAGMA max_page_count = {pages}")

    def make_room() -> None:
        writer._database.execute(f"PRAGMA max_page_count = {most}")

    return make_room


def said(store: Store, run: str) -> list[Event]:
    """All events of the run."""
    return [event for _, _, event in store.events(run)]


def notices(store: Store, run: str) -> list[str]:
    """The texts of what the user was told."""
    return [event.text for event in said(store, run) if isinstance(event, Noticed)]


def test_an_event_is_written_at_once_and_moves_the_state(store: Store, run: str, writer: Writer) -> None:
    writer.event(STARTED)

    wait_until(lambda: store.run(run).phase is Phase.RUNNING)
    assert said(store, run) == [STARTED] and store.run(run).state.steps == 20


def test_points_are_written_without_being_asked_for(store: Store, run: str, writer: Writer) -> None:
    writer.points(1, {"loss": 2.0})

    wait_until(lambda: store.curve(run, "loss")[1].tolist() == [2.0])


def test_the_list_of_runs_shows_losses_and_seconds(store: Store, run: str, writer: Writer) -> None:
    writer.points(1, {"loss": 4.0, "seconds": 1.0})
    writer.points(2, {"loss": 3.0, "seconds": 2.5})
    writer.event(Evaluated(2, 3.5, True))
    writer.flush()
    row = store.runs()[0]

    assert (row.first_loss, row.last_loss, row.best_loss, row.seconds) == (4.0, 3.0, 3.5, 2.5)
    assert row.state.step == 2


def test_evaluations_samples_and_checkpoints_have_tables_of_their_own(store: Store, run: str, writer: Writer) -> None:
    folder = store.run(run).folder
    for step in (5, 10):
        (folder / "checkpoints" / f"step-{step:06}").mkdir(parents=True)
        writer.event(CheckpointSaved(step, f"checkpoints/step-{step:06}", best=True))
        writer.event(Evaluated(step, 10 / step, best=True))
        writer.event(Sampled(step, "Define love.", f"answer {step}"))
    writer.flush()

    assert [(row.step, row.best) for row in store.checkpoints(run)] == [(5, False), (10, True)]
    assert store.checkpoints(run)[0].folder == folder / "checkpoints" / "step-000005"
    assert store.curve(run, "held_out")[1].tolist() == [2.0, 1.0]
    assert [(row.step, row.text) for row in store.samples(run)] == [(5, "answer 5"), (10, "answer 10")]

    (folder / "checkpoints" / "step-000005").rmdir()
    assert [row.step for row in store.checkpoints(run)] == [10]


def test_layers_come_back_in_their_order(store: Store, run: str, writer: Writer) -> None:
    layers = [LayerInfo(f"model.layers.{block}.q_proj", "q", block, 8, 4) for block in (2, 0, 1)]
    writer.layers(layers)
    writer.flush()

    assert store.layers(run) == layers


def test_neither_a_damaged_database_nor_an_unknown_command_ends_a_training(
    store: Store, run: str, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Damaged:
        def execute(self, *_: object) -> None:
            raise sqlite3.DatabaseError("database disk image is malformed")

    store._write("INSERT INTO commands (run, kind) VALUES (?, 'dream')", run)
    store.command(run, Command.PAUSE)
    with monkeypatch.context() as damaged:
        damaged.setattr(writer, "_asking", Damaged())
        assert writer.commands() == []

    assert writer.commands() == [Command.PAUSE]


def test_a_command_is_handed_out_once_even_by_the_next_worker(
    store: Store, home: Home, run: str, writer: Writer
) -> None:
    store.command(run, Command.PAUSE)
    store.command(run, Command.RESUME)

    assert writer.commands() == [Command.PAUSE, Command.RESUME]
    assert writer.commands() == []
    writer.close()
    again = Writer(home, run)
    assert again.commands() == []
    again.close()


def test_rewinding_removes_what_came_later_and_says_so(store: Store, run: str, writer: Writer) -> None:
    for step in range(1, 7):
        writer.points(step, {"loss": float(step)})
        writer.vector(step, "delta_norm", np.ones(2))
        writer.event(Evaluated(step, float(10 - step), best=True))
    writer.event(Sampled(6, "prompt", "text"))
    writer.rewind(4)
    state = store.run(run).state

    assert store.curve(run, "loss")[0].tolist() == store.vectors(run, "delta_norm")[0].tolist() == [1, 2, 3, 4]
    assert store.samples(run) == []
    assert said(store, run)[-1] == Rewound(4, best=6.0)
    assert (state.step, state.best, state.last_loss) == (4, 6.0, 4.0)


def test_a_locked_database_costs_nothing_and_is_told_when_it_is_over(
    store: Store, home: Home, run: str, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    with Locked(home):
        writer.event(STARTED)
        for step in range(1, 101):
            writer.points(step, {"loss": float("nan")})
            writer.vector(step, "delta_norm", np.full(3, step))
        writer.flush()
        assert (home.run(run) / "events.jsonl").exists()
        assert said(store, run) == []
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
    wait_until(lambda: notices(store, run))

    assert len(store.curve(run, "loss")[0]) == 100 and np.isnan(store.curve(run, "loss")[1]).all()
    assert store.vectors(run, "delta_norm")[1][-1].tolist() == [100.0] * 3
    assert said(store, run)[0] == STARTED and "locked" in notices(store, run)[0]
    assert "nothing was lost" in notices(store, run)[0] and len(notices(store, run)) == 1
    assert not (home.run(run) / "events.jsonl").exists()


def test_a_full_disk_costs_nothing(store: Store, home: Home, run: str, writer: Writer) -> None:
    make_room = fill(writer)
    for step in range(1, 201):
        writer.vector(step, "delta_norm", np.full(1000, step))
    writer.flush()
    assert store.vector_keys(run) == [] and (home.run(run) / "events.jsonl").exists()
    make_room()
    writer.flush()

    assert store.vectors(run, "delta_norm")[0].tolist() == list(range(1, 201))
    wait_until(lambda: notices(store, run))
    assert "full" in notices(store, run)[0]


def test_what_neither_database_nor_spill_file_take_is_kept_in_memory(
    store: Store, home: Home, run: str, writer: Writer
) -> None:
    in_the_way = home.run(run) / "events.jsonl"
    in_the_way.mkdir()
    make_room = fill(writer)
    for step in range(1, 101):
        writer.vector(step, "delta_norm", np.full(1000, step))
    writer.flush()
    in_the_way.rmdir()
    make_room()
    writer.flush()

    assert len(store.vectors(run, "delta_norm")[0]) == 100


@pytest.mark.parametrize(("room", "measured"), [(10**6, 5), (1000, 0)])
def test_the_last_words_go_into_the_reserve_where_the_disk_stays_full(
    store: Store, home: Home, run: str, writer: Writer, monkeypatch: pytest.MonkeyPatch, room: int, measured: int
) -> None:
    reserve, append = home.run(run) / "reserve", Spill.append

    def full(spill: Spill, some: Sequence[Record]) -> None:
        if reserve.exists() or len(some) * 300 > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(spill, some)

    monkeypatch.setattr(Spill, "append", full)
    writer.event(STARTED)
    writer.flush()
    fill(writer)
    for step in range(1, 6):
        writer.vector(step, "delta_norm", np.full(1000, step))
    writer.event(RunFailed(5, "There is no room."))
    writer.close()

    assert not reserve.exists()
    again = Store(home)
    assert again.run(run).state.message == "There is no room."
    assert len(again.vectors(run, "delta_norm")[0]) == measured
    again.close()


def test_memory_that_grows_too_full_is_thinned_and_the_user_is_told(
    store: Store, home: Home, run: str, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "ROOM", 200_000)
    in_the_way = home.run(run) / "events.jsonl"
    in_the_way.mkdir()
    make_room = fill(writer)
    for step in range(1, 27):
        writer.points(step, {"loss": 1.0})
        writer.vector(step, "delta_norm", np.full(1000, step))
        if step == 26:
            writer.flush()  # Memory is thinned in the middle of this step, which is kept whole or not at all.
        writer.vector(step, "relative_norm", np.full(1000, step))
    writer.flush()
    in_the_way.rmdir()
    make_room()
    wait_until(lambda: notices(store, run))

    assert len(store.curve(run, "loss")[0]) == 26
    kept = [store.vectors(run, key)[0].tolist() for key in ("delta_norm", "relative_norm")]
    assert kept[0] == kept[1] and 0 < len(kept[0]) < 26
    assert "left out" in notices(store, run)[0]


def test_what_a_worker_had_to_leave_is_taken_in_by_the_next(store: Store, home: Home, run: str, writer: Writer) -> None:
    with Locked(home):
        writer.event(STARTED)
        writer.points(1, {"loss": 4.0})
        writer.close()
    again = Writer(home, run)

    assert said(store, run) == [STARTED] and store.curve(run, "loss")[1].tolist() == [4.0]
    again.points(2, {"loss": 3.0})
    again.close()
    assert (store.run(run).first_loss, store.run(run).last_loss) == (4.0, 3.0)


def test_what_a_worker_had_to_leave_is_taken_in_by_the_window(
    store: Store, home: Home, run: str, writer: Writer
) -> None:
    writer.event(STARTED)
    writer.flush()
    with Locked(home):
        writer.event(RunFinished(20))
        writer.close()
        assert store.run(run).phase is Phase.RUNNING
        store._database.execute("PRAGMA busy_timeout = 0")
        assert not store.recover(run)
    window = Store(home)

    assert window.run(run).phase is Phase.FINISHED and said(window, run) == [STARTED, RunFinished(20)]
    assert not window.recover(run)
    window.close()


def test_a_spill_file_that_could_not_be_removed_is_not_taken_in_twice(
    store: Store, home: Home, run: str, writer: Writer
) -> None:
    path = home.run(run) / "events.jsonl"
    with Locked(home):
        writer.event(Noticed("one"))
        writer.close()
    kept = path.read_bytes()
    assert store.recover(run)
    path.write_bytes(kept)
    assert store.recover(run)
    again = Writer(home, run)
    assert notices(store, run) == ["one"]

    path.write_bytes(kept)
    with Locked(home):
        again.event(Noticed("two"))
        again.close()
    assert path.read_bytes().startswith(kept)
    assert store.recover(run) and notices(store, run) == ["one", "two"]


def test_a_line_that_a_crash_tore_or_nobody_knows_is_left_out_and_the_rest_counts(
    store: Store, home: Home, run: str, writer: Writer
) -> None:
    path = home.run(run) / "events.jsonl"
    with Locked(home):
        writer.event(Noticed("one"))
        writer.flush()
        with path.open("ab") as file:
            file.write(b'["Dreamt", 1.0]\n["Happened", 1.0, "Notic')
        writer.event(StageChanged("Zürich \u2028 \N{SNOWMAN}"))
        writer.close()

    assert store.recover(run)
    assert said(store, run) == [Noticed("one"), StageChanged("Zürich \u2028 \N{SNOWMAN}")]


def test_a_worker_on_a_full_disk_goes_on_and_loses_nothing(store: Store, home: Home, run: str) -> None:
    resource = pytest.importorskip("resource", reason="limits on file sizes are not to be had on this system")
    assert resource.RLIMIT_FSIZE
    script = """
import resource, sys
import numpy as np
from pathlib import Path
from core.home import Home
from core.store.writer import Writer
home = Home(Path(sys.argv[1]))
writer = Writer(home, sys.argv[2])
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, most))
for step in range(1, 301):
    writer.vector(step, "delta_norm", np.full(1000, step))
    if step % 100 == 0:
        writer.flush()
print((home.run(sys.argv[2]) / "events.jsonl").exists(), flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
writer.close()
"""
    worker = subprocess.run(
        [sys.executable, "-c", script, str(home.root), run], capture_output=True, text=True, check=True, timeout=120
    )

    assert "cannot be written either" in worker.stderr
    assert store.vectors(run, "delta_norm")[0].tolist() == list(range(1, 301))


def test_whatever_was_flushed_survives_a_kill(store: Store, home: Home, run: str) -> None:
    script = """
import os, sys
from pathlib import Path
from core.home import Home
from core.store.writer import Writer
writer = Writer(Home(Path(sys.argv[1])), sys.argv[2])
for step in range(1, 1001):
    writer.points(step, {"loss": 1.0})
writer.flush()
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script, str(home.root), run], check=False)

    assert len(store.curve(run, "loss")[0]) == 1000


def test_an_unknown_run_is_refused(home: Home) -> None:
    with pytest.raises(UserError, match="no run 'nothing'"):
        Writer(home, "nothing")


def test_nothing_can_be_said_after_the_end(writer: Writer) -> None:
    writer.close()

    with pytest.raises(RuntimeError, match="closed"):
        writer.points(1, {"loss": 1.0})
