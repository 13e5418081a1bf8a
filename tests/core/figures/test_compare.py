"""Runs beside one another: aligned as asked, seeds as one, and what differs in the words of the forms."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from core.config.edit import replaced
from core.figures import compare, scale
from core.figures.compare import By, Course
from core.figures.figure import Axis
from core.figures.layer_map import layer_map
from core.figures.svg import color, draw
from core.figures.trace import Measured
from core.figures.wire import decode, encode
from core.layers import LayerInfo
from tests.app.seed import config, layers


def measured(steps: list[int], values: list[float]) -> Measured:
    made = Measured()
    made.extend(np.array(steps), np.array(values))
    return made


def course(name: str, values: list[float], *, group: str = "", speed: float = 1.0) -> Course:
    steps = list(range(0, 10 * len(values), 10))
    seconds = measured(steps, [speed * step for step in steps])
    return Course(name, group or name, measured(steps, values), measured(steps, [100.0 * s for s in steps]), seconds)


@pytest.mark.parametrize(("by", "last"), [("step", 20.0), ("tokens", 2000.0), ("seconds", 40.0)])
def test_curves_lie_where_steps_tokens_or_seconds_put_them(by: By, last: float) -> None:
    figure = compare.curves([course("a", [3.0, 2.0, 1.0], speed=2.0)], "held_out", by)
    assert figure.series[0].x[-1] == last and figure.series[0].y.tolist() == [3.0, 2.0, 1.0]
    assert figure.x.label in figure.csv()


def test_what_was_measured_before_the_first_step_has_cost_nothing() -> None:
    late = replace(course("a", [3.0, 2.0]), seconds=measured([5, 10], [50.0, 100.0]))
    assert compare.curves([late], "held_out", "seconds").series[0].x.tolist() == [0.0, 100.0]


def test_a_loss_is_in_the_unit_of_its_task() -> None:
    one = course("a", [3.0])
    pairs = replace(one, task="preference")
    assert [compare.curves(runs, "loss", "step").y.unit for runs in ([one], [pairs], [one, pairs])] == [
        "nats per token", "nats per pair", "",
    ]  # fmt: skip


def test_seeds_are_their_mean_with_a_band_over_what_all_have_measured() -> None:
    runs = [course("a", [3.0, 2.0, 1.0], group="g"), course("b", [5.0, 4.0], group="g"), course("c", [1.0, 1.0])]
    together, alone = compare.curves(runs, "held_out", "step", grouped=True).series
    assert together.name == "a and 1 more" and together.x.tolist() == [0.0, 10.0]
    assert together.y.tolist() == [4.0, 3.0]
    assert together.low is not None and together.high is not None
    assert (together.low.tolist(), together.high.tolist()) == ([3.0, 2.0], [5.0, 4.0])
    assert alone.low is None and len(compare.curves(runs, "held_out", "step").series) == 3


def test_runs_of_other_seeds_and_names_are_of_one_group() -> None:
    one = config("a")
    group, alike, other = (
        compare.group_of(json.dumps(replaced(one, changes).to_dict()))
        for changes in ({}, {"seed": 3, "name": "b"}, {"adapter.rank": 4})
    )
    assert group == alike != other


def test_any_number_of_runs_has_a_colour_each() -> None:
    figure = compare.curves([course(str(at), [2.0, 1.0]) for at in range(30)], "loss", "step", keep=0.9)
    assert len({series.color for series in figure.series}) == 30
    assert "<svg" in draw(figure)


def test_what_differs_is_said_in_the_words_of_the_forms() -> None:
    one = config("a")
    changes = {
        "data.path": "b.jsonl",
        "adapter.rank": 16,
        "adapter.method": "dora",
        "train.learning_rate": 1e-3,
        "name": "b",
    }
    other = replaced(one, changes)
    found = compare.settings(["a", "b"], [one, other])
    assert dict(zip(found.rows, found.cells, strict=True)) == {
        "Adapter: Method": ("LoRA", "DoRA"), "Adapter: Rank (r)": ("8", "16"),
        "Data": (one.data.path, "b.jsonl"), "Train: Learning rate": ("0.0002", "0.001"),
    }  # fmt: skip
    assert decode(encode(found)) == found and found.summary().startswith("What differs, 4 rows")
    assert compare.settings(["a", "b"], [one, one]).rows == ()


def test_the_difference_of_layers_counts_what_a_run_does_not_train_as_unmoved() -> None:
    all_of_them = layers(2)
    ones = np.ones(len(all_of_them))
    figure = compare.layer_difference(("a", "b"), (all_of_them, all_of_them[:7]), (ones, 3 * ones[:7]))
    assert figure.values.shape == (7, 2) and figure.columns[0] == "q"
    assert np.all(figure.values[:, 0] == 2.0) and np.all(figure.values[:, 1] == -1.0)
    assert figure.range(-1.0, 2.0) == (-2.0, 2.0) and "a" in figure.title


def test_answers_stand_beside_one_another_and_a_missing_one_is_empty() -> None:
    found = compare.answers(["a", "b"], [{"why": (3, " so ")}, {"what": (2, "that")}])
    assert found.rows == ("why", "what") and found.cells == (("so", ""), ("", "that"))


def test_a_map_of_layers_says_where_lowest_and_highest_are() -> None:
    found = layer_map(
        "Ranks", [*layers(1), LayerInfo("lm_head", "head", None, 4, 4)], np.arange(8.0), Axis("Rank"), help="Ranks."
    )
    assert found.rows == ("–", "0") and found.columns[-1] == "head" and np.isnan(found.values[0, 0])
    assert "from 0 in 0.q_proj to 7 in lm_head" in found.summary()


@pytest.mark.parametrize("dark", [True, False])
def test_the_scale_with_a_middle_is_even_and_as_strong_on_both_sides(dark: bool) -> None:
    lab = scale.lab(dark=dark)
    apart = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert np.delete(apart, 127).max() < 1.01 * np.delete(apart, 127).min()
    assert np.allclose(lab[:128, 0], lab[:127:-1, 0])
    linear = (lab @ scale._TO_LMS.T) ** 3 @ scale._TO_RGB.T
    assert linear.min() > -0.01 and linear.max() < 1.01, "no colour is outside what a screen shows"


def test_the_two_sides_are_told_apart_without_red_and_green() -> None:
    """As with deuteranopia: Viénot's projection keeps blue against yellow, in which the ends differ most."""
    ends = scale.diverging(dark=False)[[0, 255]].astype(float) / 255
    linear = ends**2.2
    seen = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    assert np.abs(np.diff((linear @ seen.T)[:, 2])) > 0.3
    assert color(0.0, middle=True) != color(1.0, middle=True)


def test_layers_of_one_role_that_are_called_differently_have_columns_of_their_own_on_a_map() -> None:
    norms = [
        LayerInfo(f"model.layers.{block}.{name}.weight", "norm", block, 8, 1, "vector")
        for block in range(2)
        for name in ("input_layernorm", "post_attention_layernorm")
    ]
    experts = [LayerInfo(f"model.layers.0.experts.{place}.up_proj", "up", 0, 8, 8) for place in range(2)]
    found = layer_map("T", [*norms, *experts], np.array([1.0, 2, 3, 4, 6, 5]), Axis("V"), help="")
    assert found.columns == ("input_layernorm", "post_attention_layernorm", "up")
    assert found.values[:2].T.tolist() == [[1, 2], [3, 4]]
    assert found.values[2, 0] == 6
