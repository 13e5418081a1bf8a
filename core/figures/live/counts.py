"""How often a whole number came up over the steps so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.figures.figure import Axis, Histogram
from core.figures.live.figure import LiveFigure, Span

if TYPE_CHECKING:
    from core.figures.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Counts(LiveFigure):
    """Steps by the value of `curve`, up to the marker."""

    curve: str
    value: Axis

    @property
    def curves(self) -> tuple[str, ...]:
        return (self.curve,)

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Histogram:
        measured = trace.curve(self.curve)
        end = int(np.searchsorted(measured.steps, np.inf if mark is None else mark, side="right"))
        values = measured.values[:end]
        values = values[np.isfinite(values)].astype(np.int64)
        if not len(values):
            return Histogram(self.title, self.value, Axis("Steps"), (0.0, 1.0), (0,), help=self.told)
        first, last = int(values.min()), int(values.max())
        counts = np.bincount(values - first, minlength=last - first + 1)
        edges = tuple(float(edge) for edge in range(first, last + 2))
        heights = tuple(int(count) for count in counts)
        return Histogram(self.title, self.value, Axis("Steps"), edges, heights, help=self.told)
