"""What is warned of is allowed: every such pair of the table of combinations trains, and learns its examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.batches import Batch
from core.train.trainer import train
from tests.core.config.test_combine import ROWS, Row
from tests.core.train.small import ListSink, random_batch, small_training

WARNED = [pytest.param(row, id=row.name) for row in ROWS if row.warned]


class SameRows:
    """The same examples at every step, to be learned by heart."""

    def micro_batches(self, step: int) -> list[Batch]:
        return [random_batch(2, 12, seed=1)]


@pytest.mark.parametrize("row", WARNED)
def test_a_pair_that_is_only_warned_of_trains(row: Row, tmp_path: Path) -> None:
    sink = ListSink()
    training = small_training(tmp_path, sink=sink, steps=12, learning_rate=2e-2, adapter={"rank": 4, **row.adapter})
    training.rows, training.held_out = SameRows(), SameRows().micro_batches(0)

    train(training)

    assert sink.curves["held_out"][12] < sink.curves["held_out"][0]
    assert sink.rows["delta_norm"][12].max() > 0
