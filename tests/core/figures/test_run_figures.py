"""From a run in the database to its figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.figures import run as figures
from core.figures.smooth import Smoothed
from core.figures.trace import Trace
from core.home import Home
from core.layers import LayerInfo
from core.models.families import FAMILIES, Family
from core.store.store import Store
from tests.app.seed import Seeded, config


def test_a_trace_that_follows_sees_what_a_trace_that_comes_late_sees(home: Home) -> None:
    store = Store(home)
    seeded = Seeded(home, store, blocks=2).begin()
    live = Trace(store, seeded.run)
    for to in (3, 4, 19, 20, 41):
        seeded.advance(to)
        live.update()
    late = Trace(store, seeded.run)
    late.update()
    for key in ("loss", "held_out", "memory"):
        np.testing.assert_array_equal(live.curve(key).values, late.curve(key).values)
    np.testing.assert_array_equal(live.vector("delta_norm").values, late.vector("delta_norm").values)
    assert live.update() == set()
    seeded.close()


def test_a_trace_read_in_portions_ends_as_one_read_at_once(home: Home) -> None:
    store = Store(home)
    seeded = Seeded(home, store, blocks=2).begin().advance(70)
    at_once, portioned = Trace(store, seeded.run), Trace(store, seeded.run, portion=20)
    at_once.update()
    assert not at_once.behind
    sizes, rows = [], [0]
    while not sizes or portioned.behind:
        portioned.update()
        sizes.append(len(portioned.curve("loss")))
        rows.append(len(portioned.vector("delta_norm")))
    assert sizes[:4] == [20, 40, 60, 71] and max(np.diff(rows)) == 2
    for key in ("loss", "held_out", "memory"):
        np.testing.assert_array_equal(portioned.curve(key).values, at_once.curve(key).values)
    for key in ("delta_norm", "relative_norm"):
        np.testing.assert_array_equal(portioned.vector(key).values, at_once.vector(key).values)
    seeded.close()


def test_a_rewound_run_shows_only_what_was_measured_last(home: Home) -> None:
    store = Store(home)
    seeded = Seeded(home, store, blocks=2).begin().advance(50)
    trace = Trace(store, seeded.run)
    trace.update()
    seeded.writer.rewind(30)
    seeded.step = 31
    seeded.advance(35)
    changed = trace.update()
    assert {"loss", "delta_norm"} <= changed
    assert trace.curve("loss").steps.tolist() == list(range(36))
    np.testing.assert_array_equal(trace.curve("loss").values, store.curve(seeded.run, "loss")[1])
    assert trace.vector("delta_norm").last_step == 35
    assert ("resumed", 30.0) in [(mark.text, mark.x) for mark in figures.marks(trace)]
    seeded.close()


def test_the_most_changed_layers_are_those_with_the_largest_share_at_the_step(home: Home) -> None:
    store = Store(home)
    seeded = Seeded(home, store, blocks=2).begin()
    rows = np.zeros((2, 14), np.float32)
    rows[0, 3], rows[1, 5] = 0.05, 0.09
    for step in (0, 1):
        seeded.writer.vector(step, "relative_norm", rows[step])
    seeded.writer.flush()
    trace = Trace(store, seeded.run)
    trace.update()
    assert figures.most_changed(trace).names[0] == "0.up_proj"
    at_start = figures.most_changed(trace, step=0, count=1)
    assert (at_start.names, at_start.details) == (("0.o_proj",), ("model.layers.0.self_attn.o_proj",))
    assert math.isclose(at_start.values[0], 5.0, rel_tol=1e-6)
    seeded.close()


def test_the_loss_has_a_mark_on_its_newest_checkpoint_and_gaps_where_it_broke(home: Home) -> None:
    store = Store(home)
    seeded = Seeded(home, store, config=config(steps=300), blocks=1).begin().advance(220)
    seeded.writer.points(221, {"loss": math.inf})
    seeded.writer.flush()
    trace = Trace(store, seeded.run)
    trace.update()
    lines = figures.loss(trace, Smoothed(0.9), span=(0, 300))
    assert [series.name for series in lines.series] == ["train", "smoothed", "held out"]
    assert [mark.text for mark in lines.marks] == ["checkpoint 200"]
    assert np.isnan(lines.series[0].y[-1])
    assert np.isfinite(lines.series[1].y[-1])
    seeded.close()


def test_memory_is_shown_in_gigabytes(home: Home) -> None:
    store = Store(home)
    seeded = Seeded(home, store, blocks=1).begin().advance(30)
    trace = Trace(store, seeded.run)
    trace.update()
    memory = figures.curve(trace, "memory")
    assert memory.y.text == "Memory (GB)"
    assert 2.0 < memory.series[0].y[-1] < 2.5
    seeded.close()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_two_matrices_of_a_block_are_called_alike(family: Family) -> None:
    block = f"{family.blocks[0]}.1"
    layers = [LayerInfo(f"{block}.{inside}", role, 1, 8, 8) for inside, role in family.roles.items()]
    assert len({figures.short_name(layer) for layer in layers}) == len(layers)
