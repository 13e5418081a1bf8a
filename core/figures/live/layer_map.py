"""A number of every layer at every step, as a map: where it happens, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.figures.figure import Axis, Heatmap
from core.figures.live.figure import LiveFigure, Span
from core.figures.run import STEP, block_ticks, short_name

if TYPE_CHECKING:
    from core.figures.trace import Trace


@dataclass(frozen=True, kw_only=True)
class LayerMap(LiveFigure):
    """`vector` by layer and step; `value` says what it is. For numbers that are never below zero."""

    vector: str
    value: Axis

    @property
    def vectors(self) -> tuple[str, ...]:
        return (self.vector,)

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Heatmap:
        measured = trace.vector(self.vector)
        return Heatmap(
            self.title, STEP, Axis("Block"), self.value, tuple(short_name(layer) for layer in trace.layers),
            measured.steps, measured.values, block_ticks(trace.layers), span, self.told,
        )  # fmt: skip
