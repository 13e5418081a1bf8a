"""Figures are values: their numbers, their tables and their sentences."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.figures import svg
from core.figures.figure import Axis, Bars, Heatmap, Histogram, Lines, Scatter, Series
from core.figures.smooth import Smoothed
from core.figures.trace import Measured

STEP = Axis("Step")


def smoothed_by_hand(values: list[float], keep: float) -> list[float]:
    total = weight = 0.0
    out = []
    for value in values:
        good = np.isfinite(value)
        total = keep * total + (1 - keep) * (value if good else 0.0)
        weight = keep * weight + (1 - keep) * good
        out.append(total / weight if weight else np.nan)
    return out


@given(
    st.lists(st.one_of(st.floats(-1e3, 1e3), st.just(float("nan"))), min_size=1, max_size=2000),
    st.sampled_from([0.5, 0.7, 0.9, 0.97]),
    st.integers(1, 500),
)
def test_smoothing_in_pieces_is_the_moving_average_by_hand(values: list[float], keep: float, piece: int) -> None:
    smoothed = Smoothed(keep)
    array = np.array(values)
    for end in range(0, len(values), piece):
        smoothed.of(array[:end])
    np.testing.assert_allclose(smoothed.of(array), smoothed_by_hand(values, keep), rtol=1e-6, atol=1e-6)


def test_a_curve_that_was_rewound_is_smoothed_anew() -> None:
    smoothed = Smoothed(0.9)
    smoothed.of(np.array([5.0, 4.0, 3.0]))
    np.testing.assert_allclose(smoothed.of(np.array([5.0, 1.0])), smoothed_by_hand([5.0, 1.0], 0.9))


def test_lines_become_a_table_with_a_row_for_each_step_that_occurs() -> None:
    lines = Lines(
        "Loss", STEP, Axis("Loss"),
        (
            Series("train", np.array([0.0, 1.0]), np.array([3.5, 3.25])),
            Series("held out", np.array([1.0]), np.array([4.0])),
        ),
    )  # fmt: skip
    assert list(csv.reader(io.StringIO(lines.csv()))) == [
        ["Step", "train", "held out"], ["0", "3.5", ""], ["1", "3.25", "4"],
    ]  # fmt: skip


def test_a_heat_map_becomes_a_table_whose_numbers_read_back_exactly() -> None:
    values = np.array([[0.1, 0.2], [np.nan, 1 / 3]], dtype=np.float32)
    heat = Heatmap("Norm", STEP, Axis("Block"), Axis("norm"), ("0.q", "0.k"), np.array([0, 5]), values)
    rows = list(csv.reader(io.StringIO(heat.csv())))
    assert rows[0] == ["Step", "0.q", "0.k"]
    assert np.float32(rows[1][1]) == values[0, 0] and np.float32(rows[2][2]) == values[1, 1]
    assert rows[2][1] == ""


def test_values_are_read_at_the_last_measurement_not_after_a_step() -> None:
    lines = Lines("Loss", STEP, Axis("Loss"), (Series("held out", np.array([10.0, 20.0]), np.array([4.0, 3.0])),))
    assert lines.at(9) == {}
    assert lines.at(19) == {"held out": 4.0}
    assert lines.at(np.inf) == {"held out": 3.0}


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (
            Lines("Loss", STEP, Axis("Loss"), (Series("train", np.array([0.0, 9.0]), np.array([4.5, 3.5])),)),
            "4.5 to 3.5",
        ),
        (Bars("Most changed layers", Axis("dW / W", "%"), ("19.q_proj",), np.array([6.2])), "19.q_proj 6.2"),
        (Scatter("DoRA", Axis("Direction"), Axis("Magnitude"), ("a",), np.array([1.0]), np.array([2.0])), "1 points"),
        (Lines("Loss", STEP, Axis("Loss")), "nothing measured yet"),
    ],
)
def test_a_figure_says_in_a_sentence_what_it_shows(figure: Lines | Bars | Scatter, words: str) -> None:
    assert words in figure.summary()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=80), st.integers(2, 20))
def test_a_thinned_measurement_keeps_even_strides_and_the_newest_step(pieces: list[int], most: int) -> None:
    measured, step = Measured(1, most=most), 0
    for piece in pieces:
        steps = np.arange(step, step + piece)
        measured.extend(steps, steps[:, None].astype(np.float32))
        step += piece
    assert measured.last_step == step - 1
    assert len(measured) <= most + 1
    assert (measured.values[:, 0] == measured.steps).all()
    assert len(set(np.diff(measured.steps[:-1]))) <= 1


def test_cutting_a_measurement_forgets_what_came_after_the_step() -> None:
    measured = Measured()
    measured.extend(np.arange(10), np.arange(10.0))
    measured.cut(4)
    measured.extend(np.array([5]), np.array([50.0]))
    assert measured.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert measured.at(99) == 50.0


def test_on_paper_a_bar_of_one_number_stands_over_it() -> None:
    drawn = svg.draw(Histogram("Ranks", Axis("Rank"), Axis("Steps"), (1.0, 2.0, 3.0), (3, 4)))
    bars = re.findall(r'd="M([\d.]+) [\d.]+h([\d.]+)V', drawn)
    numbers = re.findall(r'<text x="([\d.]+)"[^>]*"middle"[^>]*>[12]<', drawn)
    assert [float(left) + float(wide) / 2 for left, wide in bars] == pytest.approx([*map(float, numbers)], abs=0.2)
