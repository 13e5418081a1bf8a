"""How a number spreads over the layers, step by step: the layer in the middle, and the two at the ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.figures.figure import Axis, Floats, Lines, Series
from core.figures.live.figure import LiveFigure, Span
from core.figures.run import STEP, floats

if TYPE_CHECKING:
    from core.figures.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Spread(LiveFigure):
    """`of`: vector to its name. Of one vector lowest, median and highest are drawn; of several the median of each."""

    of: Mapping[str, str] = field(default_factory=dict)
    value: Axis
    log: bool = False

    @property
    def vectors(self) -> tuple[str, ...]:
        return tuple(self.of)

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Lines:
        series: list[Series] = []
        for place, (key, name) in enumerate(self.of.items()):
            measured = trace.vector(key)
            if not len(measured):
                continue
            x, values = floats(measured.steps), _numbers(measured.values)
            if len(self.of) > 1:
                color = ("blue", "amber")[place] if place < 2 else f"series:{place}"
                series.append(Series(name, x, np.nanmedian(values, 1), "line", color))
            else:
                series.append(Series("highest", x, np.nanmax(values, 1), "dashed", "amber"))
                series.append(Series("median", x, np.nanmedian(values, 1), "line", "blue"))
                series.append(Series("lowest", x, np.nanmin(values, 1), "dashed", "series:2"))
        return Lines(self.title, STEP, self.value, tuple(series), (), span, self.told, self.log)


def _numbers(values: NDArray[Any]) -> Floats:
    """float64 rows; one without any number counts as zeros, so that nothing is averaged over nothing."""
    found = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    found[np.isnan(found).all(1)] = 0.0
    return found
