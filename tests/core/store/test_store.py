"""What the window knows of runs: made, listed, found, marked, put away and brought back; and what they measured."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from core.commands import Command
from core.config import files
from core.config.run import RunConfig
from core.errors import UserError
from core.events import CheckpointSaved, Launched, Noticed, RunFailed
from core.home import Home
from core.state import Phase
from core.store import store as store_module
from core.store.store import Store, short_name
from core.store.writer import Writer

CONFIG = RunConfig.from_dict(
    {
        "name": "first-try",
        "model": {"path": "/models/SmolLM2"},
        "data": {"path": "/data/devil.jsonl"},
        "train": {"steps": 20},
    }
)


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The window's store."""
    store = Store(home)
    yield store
    store.close()


def named(name: str) -> RunConfig:
    """The configuration under another name."""
    return CONFIG.model_copy(update={"name": name})


def test_a_new_run_has_a_row_a_folder_and_its_run_file(store: Store) -> None:
    before = time.time()
    run = store.create_run(CONFIG, tags=["demo"])
    row = store.run(run)

    assert row.config == CONFIG == files.read(row.folder / "run.yaml")
    assert (row.name, row.tags, row.phase, row.deleted) == ("first-try", ("demo",), Phase.QUEUED, None)
    assert (row.method, row.model, row.data) == ("LoRA", "SmolLM2", "devil.jsonl")
    assert before <= row.created <= time.time()


def test_a_run_that_cannot_be_written_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.files, "write", full)

    with pytest.raises(UserError, match="No space left"):
        store.create_run(CONFIG)
    assert store.runs() == [] and list(store.home.runs.iterdir()) == []


def test_a_run_whose_row_fails_leaves_no_folder(store: Store, home: Home) -> None:
    other = Store(home)
    store._database.execute("PRAGMA busy_timeout = 0")
    other._database.execute("BEGIN EXCLUSIVE")

    with pytest.raises(UserError, match="in use"):
        store.create_run(CONFIG)
    assert list(store.home.runs.iterdir()) == []
    other.close()


def test_an_id_that_is_taken_is_not_used_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    endings = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr(store_module.secrets, "token_hex", lambda _: next(endings))
    monkeypatch.setattr(store_module.time, "strftime", lambda _: "20261122-221530")

    assert [store.create_run(CONFIG), store.create_run(CONFIG)] == ["20261122-221530-aaaa", "20261122-221530-bbbb"]


def test_an_unknown_run_is_named_with_its_neighbours(store: Store) -> None:
    run = store.create_run(CONFIG)

    with pytest.raises(UserError, match="no run '2026'") as caught:
        store.run("2026")
    assert run in caught.value.hint


def test_runs_are_listed_newest_first(store: Store) -> None:
    made = [store.create_run(named(name)) for name in ("a", "b", "c")]

    assert [row.id for row in store.runs()] == made[::-1]


def test_a_search_finds_every_word_anywhere(store: Store) -> None:
    first = store.create_run(named("poems"), tags=["night", "größer"])
    second = store.create_run(named("prose 100%"))
    store.set_notes(second, "with_a_line")

    assert [row.id for row in store.runs(search="NIGHT poem")] == [first]
    assert [row.id for row in store.runs(search="größer")] == [first]
    assert [row.id for row in store.runs(search="100% with_a")] == [second]
    assert store.runs(search="po%ms") == []
    assert len(store.runs(search="lora smol")) == 2


def test_name_tags_and_notes_can_be_changed(store: Store) -> None:
    run = store.create_run(CONFIG)
    store.rename(run, "Zweiter Versuch")
    store.set_tags(run, ["gut", "größer"])
    store.set_notes(run, "rank doubled")
    row = store.run(run)

    assert (row.name, row.tags, row.notes) == ("Zweiter Versuch", ("gut", "größer"), "rank doubled")
    assert [found.id for found in store.runs(search="größer")] == [run]


def test_a_deleted_run_is_in_the_bin_and_comes_back(store: Store, home: Home) -> None:
    run = store.create_run(CONFIG)
    store.delete(run)

    assert store.runs() == [] and [row.id for row in store.runs(deleted=True)] == [run]
    assert store.run(run).folder == home.bin / run and (home.bin / run / "run.yaml").exists()

    store.restore(run)

    assert [row.folder for row in store.runs()] == [home.runs / run] and (home.runs / run / "run.yaml").exists()


def test_the_bin_is_emptied_for_good_and_nothing_else_goes(store: Store, home: Home) -> None:
    kept, gone = store.create_run(named("kept")), store.create_run(named("gone"))
    for run in (kept, gone):
        writer = Writer(home, run)
        writer.points(1, {"loss": 1.0})
        writer.vector(1, "delta_norm", np.ones(2))
        writer.close()
    store.delete(gone)
    runs, size = store.bin()
    assert runs == 1 and size >= (home.bin / gone / "run.yaml").stat().st_size > 0

    assert store.empty_bin() == 1

    assert store.bin() == (0, 0) and store.runs(deleted=True) == [] and not (home.bin / gone).exists()
    assert store.curve_keys(gone) == [] and store.vector_keys(gone) == [] and store.events(gone) == []
    assert store.curve_keys(kept) == ["loss"] and home.run(kept).is_dir()
    assert store.empty_bin() == 0


def test_old_jobs_are_forgotten_but_not_answers_that_are_asked_for_again(store: Store) -> None:
    ended = [store.ask(kind, {}) for kind in ("inspect_data", "insight", "convert", "convert")]
    store.jobs.done(ended[0], {})
    store.jobs.done(ended[1], {})
    store.jobs.failed(ended[2], "no")
    waiting, newest = ended[3], store.ask("export", {})
    store.jobs.done(newest, {})

    store.jobs.prune({"inspect_data", "convert", "export"}, keep=1)

    left = [row[0] for row in store._rows("SELECT id FROM jobs ORDER BY id")]
    assert left == [ended[1], waiting, newest]


def test_a_run_that_was_half_deleted_by_a_crash_can_be_deleted_again(store: Store, home: Home) -> None:
    run = store.create_run(CONFIG)
    home.run(run).rename(home.bin / run)
    store.delete(run)

    assert store.run(run).deleted is not None and (home.bin / run).is_dir()


def test_a_curve_comes_back_with_nan_and_infinity_behind_any_step(store: Store, home: Home) -> None:
    run = store.create_run(CONFIG)
    writer = Writer(home, run)
    for step, loss in enumerate([4.0, float("nan"), float("inf"), 1.5], start=1):
        writer.points(step, {"loss": loss, "memory": 2.0**40})
    writer.close()
    steps, values = store.curve(run, "loss")

    assert steps.dtype == values.dtype == np.float64
    np.testing.assert_array_equal(steps, [1, 2, 3, 4])
    np.testing.assert_array_equal(values, [4.0, np.nan, np.inf, 1.5])
    assert [part.tolist() for part in store.curve(run, "loss", after=3)] == [[4.0], [1.5]]
    assert [part.shape for part in store.curve(run, "nothing")] == [(0,), (0,)]
    assert store.curve_keys(run) == ["loss", "memory"] and store.curve_keys("other") == []


def test_vectors_come_back_as_a_matrix_in_the_order_of_the_layers(store: Store, home: Home) -> None:
    run = store.create_run(CONFIG)
    writer = Writer(home, run)
    for step in range(1, 5):
        writer.vector(step, "delta_norm", np.arange(3) * step)
    writer.close()
    steps, matrix = store.vectors(run, "delta_norm", after=2)

    assert (steps.dtype, matrix.dtype) == (np.int64, np.float32)
    assert steps.tolist() == [3, 4] and matrix.tolist() == [[0, 3, 6], [0, 4, 8]]
    assert store.vectors(run, "delta_norm", after=4)[1].shape == (0, 0)
    assert store.vector_keys(run) == ["delta_norm"]


def test_a_long_heat_map_is_read_by_every_so_manieth_row_and_in_pieces(store: Store, home: Home) -> None:
    run = store.create_run(CONFIG)
    writer = Writer(home, run)
    for step in range(1, 101):
        writer.vector(step, "delta_norm", np.array([step]))
    writer.close()
    first, _ = store.vectors(run, "delta_norm", stride=4, most=10)
    steps, matrix = store.vectors(run, "delta_norm", after=int(first[-1]), stride=4)

    assert [*first, *steps] == [*range(1, 101, 4)] and matrix[:, 0].tolist() == steps.tolist()
    assert store.vector_count(run, "delta_norm") == len(store.vectors(run, "delta_norm", most=100)[0]) == 100
    newest = store.newest_vector(run, "delta_norm")
    assert newest is not None and newest.tolist() == [100] and store.newest_vector(run, "other") is None


def test_what_the_window_says_for_a_run_is_an_event_like_others(store: Store) -> None:
    run = store.create_run(CONFIG)
    start = store.last_seq()
    store.launched(run)
    store.note(run, RunFailed(0, "It did not start.", "Look into worker.log."))
    found = store.events(run, after_seq=start)

    assert [event for _, _, event in found] == [Launched(), RunFailed(0, "It did not start.", "Look into worker.log.")]
    assert [seq for seq, _, _ in found] == [start + 1, start + 2] and store.last_seq() == start + 2
    assert store.run(run).phase is Phase.FAILED and store.run(run).state.hint == "Look into worker.log."


def test_commands_for_an_earlier_worker_do_not_reach_the_next(store: Store, home: Home) -> None:
    run = store.create_run(CONFIG)
    store.command(run, Command.STOP)
    store.launched(run)
    store.command(run, Command.PAUSE)
    writer = Writer(home, run)

    assert writer.commands() == [Command.PAUSE]
    writer.close()


def test_a_change_is_seen_once_whoever_makes_it(store: Store, home: Home) -> None:
    store.changed()
    assert not store.changed()

    run = store.create_run(CONFIG)
    assert store.changed() and not store.changed()

    writer = Writer(home, run)
    writer.event(Noticed("hello"))
    writer.close()
    assert store.changed() and not store.changed()


def test_the_list_of_runs_does_not_read_their_configurations(store: Store) -> None:
    run = store.create_run(CONFIG)
    store._database.execute('UPDATE runs SET config = \'{"adapter": {"colour": "red"}}\'')
    row = store.runs()[0]

    assert row.id == run
    with pytest.raises(UserError, match="colour"):
        _ = row.config


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", ""),
        ("data.jsonl", "data.jsonl"),
        ("/models/SmolLM2-135M", "SmolLM2-135M"),
        ("/hub/models--org--name/snapshots/0a1b2c", "org/name"),
    ],
)
def test_models_and_data_have_short_names(path: str, name: str) -> None:
    assert short_name(path) == name


def test_only_the_newest_runs_are_read_where_so_many_are_wanted(store: Store) -> None:
    made = [store.create_run(named(name)) for name in ("a", "b", "c", "d")]
    assert [row.id for row in store.runs(most=2)] == made[:1:-1]


def test_the_list_can_be_read_in_portions_and_for_runs_that_saved_something(store: Store) -> None:
    made = [store.create_run(named(name)) for name in ("a", "b", "c", "d")]
    first = store.runs(most=3)
    assert [row.id for row in store.runs(before=first[-1])] == made[:1]
    store.note(made[1], CheckpointSaved(2, "checkpoints/step-000002", best=True))
    assert [row.id for row in store.runs(saved=True)] == [made[1]]
    store.delete(made[0])
    assert store.names() == {"b", "c", "d"}


def test_what_was_worked_out_of_a_row_is_kept_until_the_row_changes(store: Store, home: Home) -> None:
    run = store.create_run(named("first"))
    before = store.runs()[0]
    assert store.runs()[0] is before
    other = Store(home)
    other.rename(run, "second")
    other.close()
    assert store.runs()[0].name == "second" and before.name == "first"
    store.delete(run)
    assert store.runs(deleted=True)[0].folder == home.bin / run
    store.restore(run)
    assert store.runs()[0].folder == home.run(run)
