"""A number of every layer at one step, largest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.figures.figure import Axis, Bars
from core.figures.live.figure import LiveFigure, Span
from core.figures.run import short_name

if TYPE_CHECKING:
    from core.figures.trace import Trace


@dataclass(frozen=True, kw_only=True)
class LayerBars(LiveFigure):
    """`vector` at the marker or the newest step, times `times`."""

    vector: str
    value: Axis
    times: float = 1.0

    @property
    def vectors(self) -> tuple[str, ...]:
        return (self.vector,)

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Bars:
        row = trace.vector(self.vector).at(np.inf if mark is None else mark)
        if row is None:
            return Bars(self.title, self.value, (), np.empty(0), help=self.told)
        values = self.times * np.where(np.isfinite(row), row, 0.0).astype(np.float64)
        order = np.argsort(-values, kind="stable")
        layers = [trace.layers[place] for place in order]
        names = tuple(short_name(layer) for layer in layers)
        return Bars(self.title, self.value, names, values[order], tuple(layer.name for layer in layers), help=self.told)
