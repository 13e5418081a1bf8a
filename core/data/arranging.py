"""Which examples share a row: for the batches themselves, and for the forecast of their memory, which has no torch."""

from __future__ import annotations

from collections.abc import Sequence

ATTENTION_COSTS = 4096
"""Columns at which attention costs a small model about as much as everything else does: longer rows pay less."""
TRIED = 8
"""Row widths that are compared, in multiples of the longest example."""


def arrange(lengths: Sequence[int], widest: int) -> list[list[int]]:
    """Lay examples in rows so that a forward pass costs least.

    First fit, longest first, for several row widths; equal inputs give equal rows.

    Args:
        lengths: tokens of each example.
        widest: tokens that a row may hold; an example longer than that has a row of its own.

    Returns:
        For each row the indices of its examples, in the order of the data.
    """
    longest = max(lengths)
    widths = {min(longest * count, widest) for count in range(1, TRIED + 1)} | {min(sum(lengths), widest)}
    plans = [_first_fit(lengths, width) for width in sorted(widths)]
    return min(plans, key=lambda rows: _cost(rows, lengths))


def _first_fit(lengths: Sequence[int], width: int) -> list[list[int]]:
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        place = next((place for place, left in enumerate(room) if left >= lengths[index]), None)
        if place is None:
            rows.append([index])
            room.append(width - lengths[index])
        else:
            rows[place].append(index)
            room[place] -= lengths[index]
    return [sorted(row) for row in rows]


def _cost(rows: list[list[int]], lengths: Sequence[int]) -> float:
    width = max(sum(lengths[index] for index in row) for row in rows)
    return len(rows) * width * (1 + width / ATTENTION_COSTS)
