"""One scalar by the value that another had at the same step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.figures.figure import Axis, Lines, Series
from core.figures.live.figure import LiveFigure, Span

if TYPE_CHECKING:
    from core.figures.trace import Trace

RECENT = 12
"""Measurements of each value that are averaged: the scalar itself moves during a run, and the newest count."""


@dataclass(frozen=True, kw_only=True)
class ByValue(LiveFigure):
    """The mean of `curve` over the last steps at which `by` had each of its values, up to the marker."""

    curve: str
    by: str
    value: Axis
    x: Axis

    @property
    def curves(self) -> tuple[str, ...]:
        return (self.curve, self.by)

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Lines:
        measured, by = trace.curve(self.curve), trace.curve(self.by)
        steps, left, right = np.intersect1d(measured.steps, by.steps, return_indices=True)
        shown = (steps <= (np.inf if mark is None else mark)) & np.isfinite(by.values[right])
        numbers, groups = measured.values[left][shown], by.values[right][shown]
        xs = np.unique(groups)
        if not len(xs):
            return Lines(self.title, self.x, self.value, (), help=self.told)
        ys = np.array([np.mean(numbers[groups == x][-RECENT:]) for x in xs])
        series = Series(self.value.label.lower(), xs, np.where(np.isfinite(ys), ys, np.nan), "points", "blue")
        return Lines(self.title, self.x, self.value, (series,), help=self.told)
