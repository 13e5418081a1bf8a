"""What every method shows of itself: each figure that a member declares is measured by a real run, and says something.

Nothing here lists figures: a member that declares one is judged from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.adapters.names import METHODS
from core.config.run import AXES, RunConfig
from core.events import LayersChosen, Rewound
from core.figures.figure import Axis, Bars, Heatmap, Histogram, Lines, Scatter
from core.figures.live.against import MOMENTS, Against
from core.figures.live.by_value import RECENT, ByValue
from core.figures.live.chosen import Chosen
from core.figures.live.counts import Counts
from core.figures.live.figure import LiveFigure
from core.figures.live.layer_bars import LayerBars
from core.figures.live.of_run import own_figures
from core.figures.live.spread import Spread
from core.figures.trace import VECTORS, Measured, Trace
from core.home import Home
from core.layers import LayerInfo
from core.store.store import Store
from core.store.writer import Writer
from core.train.trainer import train
from tests.core.train.small import ListSink, small_training

STEPS = 5


@dataclass
class Listed:
    """A run in a list, in the place of a trace."""

    layers: tuple[LayerInfo, ...]
    curves: dict[str, Measured] = field(default_factory=dict)
    vectors: dict[str, Measured] = field(default_factory=dict)
    events: list[tuple[float, Any]] = field(default_factory=list)

    def curve(self, key: str) -> Measured:
        return self.curves.get(key, Measured())

    def vector(self, key: str) -> Measured:
        return self.vectors.get(key, Measured(len(self.layers)))


def layers(count: int) -> tuple[LayerInfo, ...]:
    return tuple(LayerInfo(f"model.layers.{place}.q_proj", "q", place, 8, 8) for place in range(count))


def listed(*, count: int = 2, curves: dict[str, Any] | None = None, vectors: dict[str, Any] | None = None) -> Any:
    """Rows or numbers at steps 1, 2, 3 ..."""
    found = Listed(layers(count))
    for key, numbers in (curves or {}).items():
        found.curves[key] = Measured()
        found.curves[key].extend(np.arange(1, len(numbers) + 1), np.array(numbers, dtype=np.float64))
    for key, rows in (vectors or {}).items():
        found.vectors[key] = Measured(count)
        found.vectors[key].extend(np.arange(1, len(rows) + 1), np.array(rows, dtype=np.float32))
    return found


def trained(method: str, folder: Path) -> tuple[RunConfig, Listed]:
    """A real run of a few steps, and what it measured."""
    sink = ListSink()
    adapter = {"method": method, "rank": 4}
    training = small_training(folder, sink=sink, steps=STEPS, adapter=adapter)
    train(training)
    found = listed(count=len(sink.names))
    found.layers = tuple(sink.names)
    for key, points in sink.curves.items():
        found.curves[key] = Measured()
        found.curves[key].extend(np.array(list(points)), np.array(list(points.values())))
    for key, rows in sink.rows.items():
        found.vectors[key] = Measured(len(sink.names))
        found.vectors[key].extend(np.array(list(rows)), np.stack(list(rows.values())))
    return training.config, found


@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_each_figure_of_a_method_is_made_from_what_its_run_measures(method: str, tmp_path: Path) -> None:
    config, trace = trained(method, tmp_path)
    for key in VECTORS:
        rows = trace.vectors[key]
        assert np.isfinite(rows.values).all() and rows.at(np.inf).max() > 0, key
        assert not np.array_equal(rows.values[0], rows.values[-1]), f"{key} stands still"
    if config.adapter.axis("selection").probe() is not None:  # type: ignore[attr-defined]
        names = [layer.name for layer in trace.layers]
        trace.events.append((0.0, LayersChosen({name: 1 / len(names) for name in names}, names[:2])))
        trace.curves["probe_loss"] = trace.curves["loss"]

    for figure in own_figures(config):
        for key in figure.vectors:
            assert np.isfinite(trace.vectors[key].at(np.inf)).all(), key
        measured = [trace.vector(key).values for key in figure.vectors]
        measured += [trace.curve(key).values for key in figure.curves]
        moves = [len(rows) == 1 or not np.array_equal(rows[0], rows[-1]) for rows in measured]
        assert any(moves) or not measured, f"{figure.key} stands still"
        drawn = figure.draw(trace, span=(0.0, float(STEPS)))  # type: ignore[arg-type]
        assert "nothing measured yet" not in drawn.summary()
        assert drawn.title == figure.title
        assert len(drawn.csv().splitlines()) > 1


def test_every_figure_says_how_to_read_it_and_has_a_key_of_its_own() -> None:
    declared = {id(figure): figure for axis in AXES.values() for member in axis.members for figure in member.shows}

    assert len({figure.key for figure in declared.values()}) == len(declared) > 10
    for figure in declared.values():
        assert figure.help.endswith(".") and len(figure.help) > 40, figure.key
        assert figure.paper in figure.told


def test_without_a_measurement_every_figure_says_so() -> None:
    empty: Any = Listed(())
    declared = {figure.key: figure for axis in AXES.values() for member in axis.members for figure in member.shows}

    for figure in declared.values():
        assert "nothing measured yet" in figure.draw(empty).summary(), figure.key


def test_a_spread_has_the_middle_layer_and_both_ends() -> None:
    spread = Spread(key="k", title="T", help="", of={"v": "name"}, value=Axis("V"))

    figure = spread.draw(listed(count=3, vectors={"v": [[1, 2, 9], [np.nan, 4, 6]]}))

    assert {series.name: series.y.tolist() for series in figure.series} == {
        "highest": [9, 6], "median": [2, 5], "lowest": [1, 4],
    }  # fmt: skip


def test_of_several_vectors_a_spread_has_the_median_of_each() -> None:
    spread = Spread(key="k", title="T", help="", of={"a": "A", "b": "B"}, value=Axis("V"), log=True)

    figure = spread.draw(listed(count=3, vectors={"a": [[1, 2, 9]], "b": [[4, 5, 6]]}))

    assert [(series.name, series.y.tolist()) for series in figure.series] == [("A", [2.0]), ("B", [5.0])]
    assert figure.log


def against(**options: Any) -> Against:
    return Against(
        key="k", title="T", help="How.", across="x", up="y", x=Axis("X"), y=Axis("Y"), **options
    )  # fmt: skip


def test_points_are_those_of_the_marker_and_of_the_way_to_it() -> None:
    rows = [[float(step), 2.0 * step] for step in range(1, 41)]
    trace = listed(vectors={"x": rows, "y": rows})

    newest = against().draw(trace, span=(0.0, 40.0))
    way = against(way=True).draw(trace, span=(0.0, 40.0), mark=20.0)

    assert (newest.xs.tolist(), newest.names) == ([40.0, 80.0], ("0.q_proj", "1.q_proj"))
    assert len(way.names) == 2 * MOMENTS
    assert float(way.xs.max()) == 40.0 and float(way.shares.max()) == 0.5
    assert way.trend == pytest.approx((0.0, 1.0), abs=1e-9)
    assert way.help.startswith("Slope 1, correlation 1.00.")


def test_what_was_told_once_stands_beside_every_later_step() -> None:
    figure = against(fit=False).draw(listed(vectors={"x": [[1.0, 3.0]], "y": [[5.0, 6.0], [7.0, 8.0]]}))

    assert (figure.xs.tolist(), figure.ys.tolist(), figure.trend) == ([1.0, 3.0], [7.0, 8.0], (0.0, 1.0))


def test_points_that_do_not_spread_have_no_line() -> None:
    assert against().draw(listed(vectors={"x": [[1.0, 1.0]], "y": [[5.0, 6.0]]})).trend is None


def test_the_loss_of_a_rank_is_the_mean_of_its_last_steps() -> None:
    by = ByValue(key="k", title="T", help="", curve="loss", by="rank", value=Axis("Loss"), x=Axis("Rank"))
    losses = [100.0, *[2.0] * RECENT, 7.0]
    trace = listed(curves={"loss": losses, "rank": [1] * (RECENT + 1) + [3]})

    (series,) = by.draw(trace).series
    (earlier,) = by.draw(trace, mark=1.0).series

    assert (series.x.tolist(), series.y.tolist()) == ([1.0, 3.0], [2.0, 7.0])
    assert earlier.y.tolist() == [100.0]


def test_counts_have_a_bar_for_every_number_between_the_lowest_and_the_highest() -> None:
    figure = Counts(key="k", title="T", help="", curve="rank", value=Axis("Rank")).draw(
        listed(curves={"rank": [2, 5, 2, 4]})
    )

    assert (figure.edges, figure.counts) == ((2.0, 3.0, 4.0, 5.0, 6.0), (2, 0, 1, 1))


def test_bars_of_layers_are_in_order_and_in_the_unit_that_is_said() -> None:
    bars = LayerBars(key="k", title="T", help="", vector="v", value=Axis("V", "%"), times=100.0)

    figure = bars.draw(listed(vectors={"v": [[0.5, 0.25], [0.1, 0.2]]}))

    assert figure.names == ("1.q_proj", "0.q_proj")
    assert figure.values == pytest.approx([20.0, 10.0])
    assert bars.draw(listed(vectors={"v": [[0.5, 0.25]]}), mark=0.0).names == ()


def test_the_newest_choice_of_layers_is_shown_with_what_was_kept() -> None:
    trace = listed()
    trace.events = [
        (0.0, LayersChosen({"a.0.q": 1.0}, [])),
        (1.0, LayersChosen({"a.0.q": 0.25, "a.1.q": 0.75}, ["a.1.q"])),
    ]

    figure = Chosen(key="k", title="T", help="How.").draw(trace)

    assert figure.names == ("✓ 1.q", "  0.q")
    assert figure.values.tolist() == [75.0, 25.0]
    assert figure.help.startswith("1 of 2 layers kept.")
    assert figure.details == ("a.1.q (kept)", "a.0.q (not kept)")


def test_what_a_resumed_run_measures_again_is_forgotten_in_its_figures(home: Home) -> None:
    store = Store(home)
    run = store.create_run(RunConfig.from_dict({"adapter": {"method": "adalora"}}))
    writer = Writer(home, run)
    trace = Trace(store, run)
    writer.layers(layers(2))
    for step in range(1, 7):
        writer.vector(step, "rank", np.array([8.0, float(step)], dtype=np.float32))
        writer.points(step, {"budget": 16.0 - step})
    writer.flush()
    figures: dict[str, LiveFigure] = {figure.key: figure for figure in own_figures(store.run(run).config)}
    trace.update()
    for figure in figures.values():
        trace.want(curves=figure.curves, vectors=figure.vectors)
    writer.rewind(3)
    writer.vector(4, "rank", np.array([1.0, 1.0], dtype=np.float32))
    writer.points(4, {"budget": 2.0})
    writer.flush()
    changed = trace.update()
    writer.close()
    store.close()
    ranks, budget = (figures[key].draw(trace) for key in ("adalora-ranks", "adalora-budget"))

    assert any(isinstance(event, Rewound) for _, event in trace.events)
    assert {"rank", "budget"} <= changed
    assert isinstance(ranks, Heatmap) and ranks.steps.tolist() == [1, 2, 3, 4]
    assert ranks.values[-1].tolist() == [1.0, 1.0]
    assert isinstance(budget, Lines) and budget.series[0].y.tolist() == [15.0, 14.0, 13.0, 2.0]


def test_only_members_that_a_run_has_show_themselves() -> None:
    def keys(**adapter: Any) -> set[str]:
        return {figure.key.split("-")[0] for figure in own_figures(RunConfig.from_dict({"adapter": adapter}))}

    assert keys(method="lora") == set()
    assert keys(method="qdora") == {"dora", "quantised"}
    assert keys(method="dvora") == {"vera", "dora"}


def test_every_kind_of_figure_is_one_that_has_a_painter() -> None:
    empty: Any = Listed(())
    kinds = {type(f.draw(empty)) for axis in AXES.values() for member in axis.members for f in member.shows}

    assert kinds == {Lines, Heatmap, Bars, Scatter, Histogram}
