"""Numbers of an axis: round, inside, short, and at its ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.figures.figure import Axis, Lines, Series
from core.figures.svg import draw
from core.figures.ticks import power_ticks, rounded, span, spelled, ticks

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 6))


@given(low=NUMBERS, size=st.floats(1e-3, 1e9), about=st.integers(2, 8))
def test_a_rounded_range_begins_and_ends_with_a_number_and_holds_what_it_was_made_of(
    low: float, size: float, about: int
) -> None:
    high = low + size
    first, last = rounded(low, high, about)
    room = 2e-3 * (last - first)
    assert first <= low + room and last >= high - room
    found = ticks(first, last, about)
    assert len(found) <= 2 * about + 3


def test_next_to_nothing_beyond_a_number_asks_for_no_further_one() -> None:
    assert rounded(0.0, 1.0000001, 4) == (0.0, 1.0)
    assert rounded(0.02, 0.93, 5) == (0.0, 1.0)


def test_what_counts_has_no_number_between_whole_ones() -> None:
    assert ticks(0, 2, 6, whole=True) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0.002, 0.3, [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2]),
        (1e-6, 1.0, [1e-6, 1e-4, 1e-2, 1.0]),
    ],
)
def test_powers_of_ten_are_marked_with_what_lies_between_them_where_there_is_room(
    low: float, high: float, found: list[float]
) -> None:
    assert power_ticks(low, high) == pytest.approx(found)


def test_an_axis_in_powers_that_goes_over_less_than_one_has_even_numbers() -> None:
    assert power_ticks(3.1, 4.4) == pytest.approx([3.2, 3.4, 3.6, 3.8, 4.0, 4.2, 4.4])


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0, 0.05, 0.1], ["0", "0.05", "0.10"]),
        ([0, 5e-5, 1e-4], ["0", "5e-5", "0.0001"]),
        ([0, 50_000, 100_000], ["0", "50\u202f000", "100\u202f000"]),
        ([0, 500_000, 1_000_000], ["0", "0.5 M", "1 M"]),
    ],
)
def test_numbers_are_written_shortly_and_alike(values: list[float], texts: list[str]) -> None:
    assert spelled(values) == texts


@given(steps=st.integers(1, 10**6), share=st.floats(0, 1))
def test_what_was_measured_fills_a_fourth_of_the_axis_or_all_steps_are_shown(steps: int, share: float) -> None:
    step = int(share * steps)
    start, end = span(step, steps)
    assert start == 0 and step <= end <= steps
    assert end == steps or step >= end / 4 - 1 or end <= 4 * 8 + 1


def test_a_log_axis_on_paper_puts_equal_factors_equally_far_apart() -> None:
    series = Series("A", np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 0.1, 0.0, 0.01]), "points")
    drawn = draw(Lines("T", Axis("Step"), Axis("Size"), (series,), log=True))
    *heights, _legend = [float(part.split('"')[0]) for part in drawn.split('cy="')[1:]]
    assert len(heights) == 3
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)
    assert ">0.01<" in drawn and ">0.1<" in drawn
