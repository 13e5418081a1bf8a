"""The job that measures a DyLoRA adapter at every rank."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import worker
from core.errors import UserError
from core.figures.wire import decode
from core.home import Home
from core.store.store import Store
from core.train.every_rank import every_rank_job
from tests.whole.small_runs import create


def quiet(_text: str, _share: float | None) -> None:
    """Nobody watches."""


def test_the_loss_is_measured_at_every_rank_and_the_last_is_the_runs_own(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    run = create(store, tmp_path, adapter={"method": "dylora"})
    assert worker.main(home, run) == 0
    _, held_out = store.curve(run, "held_out")
    store.close()

    answer = json.loads(json.dumps(every_rank_job(home, {"run": run, "checkpoint": "last"}, quiet), allow_nan=False))

    (frame,) = decode(answer["frames"])
    (series,) = frame["figures"]["every_rank"].series
    assert series.x.tolist() == [1, 2, 3, 4]
    assert series.y[-1] == pytest.approx(held_out[-1], rel=1e-6)


def test_an_adapter_of_one_rank_is_refused(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    run = create(store, tmp_path, train={"steps": 1})
    store.close()
    assert worker.main(home, run) == 0

    with pytest.raises(UserError, match="its own rank only"):
        every_rank_job(home, {"run": run}, quiet)
