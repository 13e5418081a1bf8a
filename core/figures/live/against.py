"""Two numbers of every layer against one another, at a few moments of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.figures.figure import Axis, Floats, Scatter
from core.figures.live.figure import LiveFigure, Span
from core.figures.run import short_name

if TYPE_CHECKING:
    from core.figures.trace import Trace

MOMENTS = 5
"""Points of each layer where the way there is shown."""


@dataclass(frozen=True, kw_only=True)
class Against(LiveFigure):
    """`up` over `across`: one point a layer at the marker or the newest step.

    Attributes:
        across, up: vectors.
        x, y: what they are.
        way: whether earlier moments are shown as well; the colour says how far into the run a point is. Of one moment
            all points are of one colour.
        fit: whether a line is drawn through all points, else the line y = x.
    """

    across: str
    up: str
    x: Axis
    y: Axis
    way: bool = False
    fit: bool = True

    @property
    def vectors(self) -> tuple[str, ...]:
        return (self.across, self.up)

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Scatter:
        xs, ys = trace.vector(self.across), trace.vector(self.up)
        end = int(np.searchsorted(ys.steps, np.inf if mark is None else mark, side="right"))
        count = MOMENTS if self.way else 1
        steps = ys.steps[np.unique(np.linspace(end - 1, 0, count + 1)[:-1].round().astype(int))] if end else []
        steps = [int(step) for step in steps if xs.at(step) is not None]
        if not steps or not trace.layers:
            return Scatter(self.title, self.x, self.y, (), np.empty(0), np.empty(0), help=self.told)
        x, y = (np.concatenate([one.at(step) for step in steps]).astype(np.float64) for one in (xs, ys))
        whole = span[1] if span is not None else float(ys.last_step)
        shares = np.repeat(np.array(steps) / max(whole, 1.0), len(trace.layers)) if self.way else np.empty(0)
        names = [
            f"{short_name(layer)}, step {step}" if self.way else short_name(layer)
            for step in steps
            for layer in trace.layers
        ]
        good = np.isfinite(x) & np.isfinite(y)
        trend = _fit(x[good], y[good]) if self.fit else (0.0, 1.0)
        said = f"{_trend(x[good], y[good], trend)} " if self.fit and trend else ""
        spans = None if self.fit or not good.any() else _beside_the_line(x[good], y[good])
        return Scatter(
            self.title, self.x, self.y, tuple(name for name, kept in zip(names, good, strict=True) if kept),
            x[good], y[good], shares[good] if self.way else shares, trend, said + self.told, spans,
        )  # fmt: skip


def _trend(x: Floats, y: Floats, trend: tuple[float, float]) -> str:
    """The slope of the line, and how tightly the points follow it."""
    spreads = float(np.ptp(y)) > 0
    return f"Slope {trend[1]:.2g}, correlation {np.corrcoef(x, y)[0, 1] if spreads else 0.0:.2f}."


def _beside_the_line(x: Floats, y: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges in which a part of the line y = x is seen, however far below or above it all points lie."""
    across, up = (float(x.min()), float(x.max())), (float(y.min()), float(y.max()))
    room = 0.2 * max(across[1] - across[0], up[1] - up[0])
    return (min(across[0], up[1]), max(across[1], up[0] + room)), (min(up[0], across[1]), max(up[1], across[0] + room))


def _fit(x: Floats, y: Floats) -> tuple[float, float] | None:
    """Intercept and slope of the line of least squares; None where the points do not spread."""
    if len(x) < 2 or float(np.ptp(x)) <= 1e-12 * max(float(np.abs(x).max()), 1e-30):
        return None
    slope, intercept = np.polyfit(x, y, 1)
    return float(intercept), float(slope)
