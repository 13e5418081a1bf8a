"""Paints `Scatter`: named points with a trend."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush

from app.plots.canvas import Canvas, Range
from app.style.scales import color
from app.style.theme import Theme
from core.figures.figure import Scatter

_SHADES = 64
_SIZES = ((300, 9), (900, 7), (0, 5))
"""Points up to which each is so many pixels wide; the last is for any more."""
MOST_POINTS = 2000
"""Points that are drawn, spread evenly over all; the trend and the table are of all."""


class ScatterPlot(Canvas):
    """Points by two measures; the name of the one under the pointer is its tooltip."""

    def __init__(self, name: str) -> None:
        self._points = pg.ScatterPlotItem(size=9, hoverable=True, tip=_tip, pxMode=True)
        self._trend = pg.PlotCurveItem(antialias=True)
        self._trend.setZValue(10)
        super().__init__(name)
        self.addItem(self._trend)
        self.addItem(self._points)
        for side in ("left", "bottom"):
            self.getAxis(side).setGrid(255)
        self.restyle()

    def _paint(self, figure: Scatter) -> None:
        theme = Theme.current()
        self.setAccessibleDescription(figure.summary())
        if self._labels != (figure.x, figure.y):
            self._set_labels(figure.x, figure.y)
        count = len(figure.xs)
        drawn = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int))
        size = next(size for most, size in _SIZES if count <= most or not most)
        # Both ends of the colours lie near one of the grounds: the outline is what every point is seen by.
        outline = pg.mkPen(theme.color("text", 0.5), width=0.8)
        self._points.setData(
            figure.xs[drawn], figure.ys[drawn], brush=_brushes(figure, drawn), pen=outline, size=size,
            data=[figure.names[at] for at in drawn.tolist()],
        )  # fmt: skip
        self._trend.setPen(pg.mkPen(theme.color("amber"), width=1.5, style=Qt.PenStyle.DashLine))
        extent = self._extent()
        if figure.trend is not None and extent is not None:
            xs = np.array(extent)
            self._trend.setData(xs, figure.trend[0] + figure.trend[1] * xs)
        else:
            self._trend.clear()

    def _extent(self) -> Range | None:
        if not isinstance(self.figure, Scatter) or not len(self.figure.xs):
            return None
        return _roomy(self.figure.xs if self.figure.spans is None else np.array(self.figure.spans[0]))

    def _measured(self) -> bool:
        return self._extent() is not None

    def _fit_y(self, shown: Range) -> None:
        if isinstance(self.figure, Scatter) and len(self.figure.ys):
            ys = self.figure.ys if self.figure.spans is None else np.array(self.figure.spans[1])
            self.view.setYRange(*_roomy(ys), padding=0)


def _brushes(figure: Scatter, drawn: np.ndarray) -> list[QBrush] | QBrush:
    """A colour for each point, or one for all where colour says nothing."""
    if not len(figure.shares):
        return QBrush(Theme.current().color("blue"))
    places = np.clip(np.nan_to_num(figure.shares[drawn]) * (_SHADES - 1), 0, _SHADES - 1).round().astype(int)
    return [_brush(place) for place in places.tolist()]


@cache
def _brush(place: int) -> QBrush:
    """One brush for each shade: a picture of the point is drawn for each brush, not for each point."""
    return QBrush(color(place / (_SHADES - 1)))


def _roomy(values: np.ndarray) -> Range:
    """The range of the values and a little more."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = (high - low) * 0.06 or abs(high) * 0.5 or 1.0
    return low - room, high + room


def _tip(x: float, y: float, data: str) -> str:
    return f"{data}: {x:.4g}, {y:.4g}"
