"""A run that is killed, again and again and wherever it hurts, ends as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import worker
from core.commands import Command
from core.events import CheckpointSaved, Evaluated, Noticed, Rewound, RunStarted
from core.home import Home
from core.launch import alive, kill, launch, observe
from core.state import Status
from core.store.store import Store
from tests.waiting import wait_until
from tests.whole.small_runs import create

ROOT = Path(__file__).parents[2]
HARD: dict[str, dict[str, Any]] = {
    "adapter": {"dropout": 0.25},
    "train": {
        "steps": 12, "accumulate": 2, "schedule": "cosine", "warmup": 3, "evaluate_every": 4, "checkpoint_every": 3,
        "keep": 2, "prompts": ["Define fox"], "sample_tokens": 2,
    },
}  # fmt: skip
"""All that could go wrong: accumulation, warm-up and schedule, dropout, evaluations and samples between the steps."""


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The window's store."""
    store = Store(home)
    yield store
    for row in store.runs():
        kill(row.folder)
    store.close()


def die(store: Store, run: str, moment: str, count: int) -> None:
    """Train in a process of its own until it is killed."""
    words = [sys.executable, "-m", "tests.whole.killed", str(store.home.root), run, moment, str(count)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode not in (0, 1, 2), ended.stderr
    assert not alive(store.home.run(run))


def adapter(store: Store, run: str, step: int) -> bytes:
    """The adapter of a checkpoint, byte by byte."""
    return (store.home.run(run) / f"checkpoints/step-{step:06d}/adapter/adapter.safetensors").read_bytes()


def test_a_run_killed_anywhere_ends_with_the_adapter_of_the_uninterrupted_one(store: Store, tmp_path: Path) -> None:
    whole, broken = create(store, tmp_path, **HARD), create(store, tmp_path, **HARD)
    assert worker.main(store.home, whole) == 0

    die(store, broken, "micro-batch", 9)  # in the third step: there is no checkpoint yet
    die(store, broken, "half written", 4)  # of the second checkpoint, the adapter and the optimizer are there
    assert list((store.home.run(broken) / "checkpoints").glob(".step-*"))
    die(store, broken, "optimizer", 4)  # in the seventh step
    die(store, broken, "renamed", 2)  # the checkpoint is there, the old ones are not gone yet
    die(store, broken, "micro-batch", 2)  # between two micro-batches
    assert worker.main(store.home, broken, resume=True) == 0

    assert adapter(store, broken, 12) == adapter(store, whole, 12)
    for key in ("loss", "learning_rate", "gradient_norm", "trained_tokens", "held_out"):
        for ours, theirs in zip(store.curve(broken, key), store.curve(whole, key), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(store.vectors(broken, "delta_norm")[1], store.vectors(whole, "delta_norm")[1])
    assert [row.text for row in store.samples(broken)] == [row.text for row in store.samples(whole)]
    began = [event.step for _, _, event in store.events(broken) if isinstance(event, RunStarted)]
    assert began == sorted(began) and began[0] == 0 and began[-1] > 3
    assert [path.name for path in (store.home.run(broken) / "checkpoints").glob(".*")] == []


def test_a_launched_worker_that_is_killed_is_lost_and_goes_on_when_launched_again(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, train={"steps": 100_000, "checkpoint_every": 5, "evaluate_every": 0})
    launch(store.home, run)
    wait_until(lambda: len(store.checkpoints(run)) > 0)

    kill(store.run(run).folder)
    wait_until(lambda: observe(store, store.run(run))[1] is Status.LOST)
    launch(store.home, run, resume=True)
    wait_until(lambda: any(isinstance(event, Rewound) for _, _, event in store.events(run)))
    store.command(run, Command.STOP)
    wait_until(lambda: observe(store, store.run(run))[1] is Status.STOPPED)

    steps, _ = store.curve(run, "loss")
    np.testing.assert_array_equal(steps, np.arange(1, len(steps) + 1))
    assert store.checkpoints(run)[-1].step == len(steps)


def test_a_damaged_checkpoint_is_left_out_and_said(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, train={"steps": 6, "checkpoint_every": 2, "evaluate_every": 0})
    assert worker.main(store.home, run) == 0
    expected = adapter(store, run, 6)
    damaged = store.home.run(run) / "checkpoints" / "step-000006" / "optimizer.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-10])

    assert worker.main(store.home, run, resume=True) == 0

    events = [event for _, _, event in store.events(run)]
    assert Noticed("The checkpoint step-000006 is damaged and was left out.") in events
    assert next(event.step for event in events if isinstance(event, Rewound)) == 4
    assert adapter(store, run, 6) == expected


def test_going_on_without_a_checkpoint_starts_anew_and_says_so(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, train={"steps": 2, "checkpoint_every": 0})

    assert worker.main(store.home, run, resume=True) == 0

    notices = [event.text for _, _, event in store.events(run) if isinstance(event, Noticed)]
    assert any("no checkpoint to go on from" in text for text in notices)


def test_a_finished_run_that_is_resumed_repeats_nothing(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, train={"steps": 3})
    assert worker.main(store.home, run) == 0
    seen = store.last_seq()

    assert worker.main(store.home, run, resume=True) == 0

    again = [event for _, _, event in store.events(run, seen)]
    assert not [event for event in again if isinstance(event, (Evaluated, CheckpointSaved))]
    assert store.run(run).state.phase == "finished"
