"""Paints `Heatmap`: layers up, steps across.

A long run has far more steps than the screen has pixels, and a tick must cost the same at step 100 000 as at step 100:
so only as many columns are coloured as there are pixels, and the largest value is kept rather than searched again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.plots.axes import NumberAxis
from app.plots.canvas import Canvas, Range
from app.style.scales import colors
from app.style.theme import Theme
from core.figures.figure import Heatmap

_SMALL = 65536
"""Values that are looked at in no time."""


class _BlockAxis(NumberAxis):
    """Labels rows with the numbers of their blocks, as many as there is room for."""

    def __init__(self) -> None:
        self.labels: tuple[tuple[int, str], ...] = ()
        super().__init__("left")

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Rows to label: every block, or every fifth, tenth, twentieth."""
        inside = [row for row, _ in self.labels if low <= row <= high]
        most = max(int(size / 26), 1)
        stride = next((s for s in (1, 2, 5, 10, 20, 50) if len(inside) / s <= most), 100)
        return [(1.0, [row + 0.5 for row in inside[::stride]])]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """The blocks' numbers."""
        names = dict(self.labels)
        return [names.get(int(value - 0.5), "") for value in values]


class HeatmapPlot(Canvas):
    """Layers by steps. `scale` is the colour bar, a widget of its own: put it at the right."""

    layer_hovered = Signal(object)
    """(row, step, value) under the pointer, or None."""

    def __init__(self, name: str) -> None:
        self._image = pg.ImageItem(axisOrder="row-major")
        self._axis = _BlockAxis()
        self._low = self._high = 0.0
        self._seen = 0
        self._source: Any = None
        self.scale_bar = ScaleBar()
        super().__init__(name)
        self.setAxisItems({"left": self._axis})
        self.restyle()
        self._image.setZValue(-10)
        self.addItem(self._image)
        self.view.sigResized.connect(self._colour)
        self.view.sigResized.connect(self._level)

    def _paint(self, figure: Heatmap) -> None:
        self.setAccessibleDescription(figure.summary())
        if self._labels != (figure.x, figure.y):
            self._set_labels(figure.x, figure.y)
        self._axis.labels = figure.ticks
        bottom = self.getAxis("bottom")
        bottom.names, bottom.whole = figure.columns, True
        self._find_range(figure)
        self.scale_bar.set(figure.value.text, *self._range(figure), middle=figure.middle is not None)
        self.scale_bar.setVisible(self._measured())

    def _measured(self) -> bool:
        known = isinstance(self.figure, Heatmap) and bool(len(self.figure.steps) and self.figure.rows)
        return known and self._low <= self._high

    def _fit_y(self, shown: Range) -> None:
        if isinstance(self.figure, Heatmap) and self.figure.rows:
            self.view.setYRange(0, len(self.figure.rows), padding=0)
        self._colour()

    def _level(self) -> None:
        inside = self.view.sceneBoundingRect()
        self.scale_bar.level(inside.top(), inside.bottom())

    def _find_range(self, figure: Heatmap) -> None:
        """The lowest and the largest value so far; of a large figure only new columns are looked at."""
        source = (figure.title, figure.value, figure.rows)
        if source != self._source or len(figure.steps) < self._seen or figure.values.size <= _SMALL:
            self._source, self._seen = source, 0
            self._low, self._high = np.inf, -np.inf
        # The newest column may have stood for a later one since: it is looked at again.
        new = figure.values[max(self._seen - 1, 0) :]
        if new.size:
            good = np.isfinite(new)
            self._low = min(self._low, float(np.min(new, initial=np.inf, where=good)))
            self._high = max(self._high, float(np.max(new, initial=-np.inf, where=good)))
        self._seen = len(figure.steps)

    def _range(self, figure: Heatmap) -> tuple[float, float]:
        """What the ends of the colours mean."""
        return figure.range(self._low, self._high) if self._low <= self._high else (0.0, 0.0)

    def _colour(self) -> None:
        """Colour as many columns as there are pixels."""
        figure = self.figure
        if not isinstance(figure, Heatmap) or not len(figure.steps) or not figure.rows:
            self._image.clear()
            return
        start, end, edges = self._visible(figure)
        if end <= start:
            self._image.clear()
            return
        columns = np.clip(np.searchsorted(edges, self._centres(start, end), side="right") - 1, 0, len(figure.steps) - 1)
        values = figure.values[columns]
        self._image.setImage(_colours(values, *self._range(figure), figure.middle is not None), autoLevels=False)
        self._image.setRect(QRectF(start, 0, end - start, len(figure.rows)))

    def _visible(self, figure: Heatmap) -> tuple[float, float, np.ndarray]:
        """Start and end of what is measured and shown, and where each column begins."""
        edges = figure.steps.astype(np.float64) - 0.5
        stride = float(figure.steps[-1] - figure.steps[-2]) if len(edges) > 1 else 1.0
        low, high = self.view.viewRange()[0]
        return max(low, float(edges[0])), min(high, float(edges[-1]) + stride), edges

    def _centres(self, start: float, end: float) -> np.ndarray:
        low, high = self.view.viewRange()[0]
        share = (end - start) / max(high - low, 1e-9)
        pixels = max(int(self.view.width() * share * self.devicePixelRatio()), 1)
        count = min(pixels, 4096)
        return start + (np.arange(count) + 0.5) * (end - start) / count

    def _extent(self) -> Range | None:
        if not isinstance(self.figure, Heatmap):
            return None
        steps = self.figure.steps
        measured = (float(steps[0]), float(steps[-1])) if len(steps) else None
        if measured is not None and len(steps) == 1:
            measured = (measured[0] - 0.5, measured[1] + 0.5)  # what was measured once fills the map
        span = self.figure.span
        if measured is None or span is None:
            return span or measured
        return min(span[0], measured[0]), max(span[1], measured[1])

    def _hovered_at(self, point: QPointF | None) -> None:
        super()._hovered_at(point)
        self.layer_hovered.emit(None if point is None else self._under(point))

    def _under(self, point: QPointF) -> tuple[str, int, float] | None:
        figure = self.figure
        if not isinstance(figure, Heatmap) or not 0 <= point.y() < len(figure.rows):
            return None
        column = figure.at(point.x() + 0.5)
        if column is None or point.x() > float(figure.steps[-1]) + 1:
            return None
        row = int(point.y())
        return figure.rows[row], int(figure.steps[column]), float(figure.values[column, row])


def _colours(values: np.ndarray, low: float, high: float, middle: bool) -> np.ndarray:
    """RGBA bytes, (columns, rows) of values to (rows, columns, 4); transparent where nothing was measured."""
    table = np.zeros((257, 4), np.uint8)
    table[:256, :3], table[:256, 3] = colors(middle=middle), 255
    places = (values - low) * (255 / (high - low)) if high > low else np.full(values.shape, 127.5 if middle else 0.0)
    np.clip(places, 0, 255, out=places)
    places[~np.isfinite(values)] = 256
    # A whole pixel is looked up at once: byte by byte, a map of every layer takes seven times as long.
    pixels = table.view(np.uint32)[:, 0][places.astype(np.uint16).T]
    return np.ascontiguousarray(pixels).view(np.uint8).reshape(*pixels.shape, 4)


class ScaleBar(QWidget):
    """The colours from the lowest to the largest value, with both numbers beside it."""

    def __init__(self) -> None:
        super().__init__()
        self._name = ""
        self._ends = (0.0, 0.0)
        self._middle = False
        self._inside = (0.0, 80.0)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        Theme.current().changed.connect(self.updateGeometry)

    def set(self, name: str, low: float, high: float, *, middle: bool = False) -> None:
        """Show another range."""
        if (name, (low, high), middle) != (self._name, self._ends, self._middle):
            self._name, self._ends, self._middle = name, (low, high), middle
            self.setToolTip(name)
            self.setAccessibleName(f"Colours: {name}, from {low:.3g} to {high:.3g}")
            self.update()

    def level(self, top: float, bottom: float) -> None:
        """Stand between these heights, those of the inside of the plot beside it."""
        if (top, bottom) != self._inside:
            self._inside = top, bottom
            self.update()

    def sizeHint(self) -> QSize:
        """Wide enough for a number and, upright beside it, the name."""
        return QSize(Theme.current().px(84), 80)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Paint anew."""
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint bar and numbers, level with the plot's inside."""
        theme = Theme.current()
        painter = QPainter(self)
        top, bottom = self._inside
        bar = QRectF(0, top, theme.px(10), max(bottom - top, 10))
        painter.drawImage(bar, _ribbon(self._middle))
        painter.setFont(theme.font(11))
        painter.setPen(theme.color("muted"))
        text = bar.translated(bar.width() + 7, 0)
        text.setWidth(self.width() - text.x())
        painter.drawText(text, Qt.AlignmentFlag.AlignTop, f"{self._ends[1]:.3g}")
        painter.drawText(text, Qt.AlignmentFlag.AlignBottom, f"{self._ends[0]:.3g}")
        if self._middle:
            painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, f"{sum(self._ends) / 2:.3g}")
        self._paint_name(painter, bar)

    def _paint_name(self, painter: QPainter, bar: QRectF) -> None:
        """What the colours say, upright at the right edge, read as the name of the other axis is."""
        high = Theme.current().px(16)
        painter.translate(self.width() - high, bar.bottom())
        painter.rotate(-90)
        said = painter.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideRight, int(bar.height()))
        painter.drawText(QRectF(0, 0, bar.height(), high), Qt.AlignmentFlag.AlignCenter, said)


def _ribbon(middle: bool) -> QImage:
    """The colours from the largest at the top to the lowest, a pixel wide."""
    turned = np.ascontiguousarray(colors(middle=middle)[::-1].reshape(256, 1, 3))
    return QImage(turned.data, 1, 256, 3, QImage.Format.Format_RGB888).copy()
