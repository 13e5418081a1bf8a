"""The legend of a plot of curves, which is also its readout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyqtgraph.graphicsItems.ScatterPlotItem import Symbols
from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QVBoxLayout, QWidget

from app.style.theme import Theme
from app.widgets import Button, label, set_property
from app.widgets.flow import Flow
from app.widgets.tab_order import lead_through
from core.figures.figure import Series, Shape
from core.figures.names import shortened

SYMBOLS: Mapping[Shape, str] = {"": "o", "triangle": "t1", "square": "s", "diamond": "d"}
"""What pyqtgraph calls the shapes."""
_LONGEST = 30
"""Letters of a curve's name: its tooltip has the whole."""
_ICON = 7.5
"""Pixels across a shape."""


def look(series: Series) -> tuple[str, str, str]:
    """What cannot be changed of a curve that is there."""
    return series.style, series.color, series.shape


class Legend(QWidget):
    """One entry a curve: its line, its name and its value at the marker or pointer. A click hides the curve.

    In a row of its own it breaks into lines (`wrap`).
    """

    toggled = Signal(str, bool)

    def __init__(self, *, upright: bool = False) -> None:
        super().__init__()
        self._row: QBoxLayout = QVBoxLayout(self) if upright else QHBoxLayout(self)
        self._flow: Flow | None = None
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(2)
        self._row.setAlignment(Qt.AlignmentFlag.AlignTop if upright else Qt.AlignmentFlag.AlignVCenter)
        self._side = Qt.AlignmentFlag.AlignLeft if upright else Qt.AlignmentFlag(0)
        self._where = label("", "hint")
        self._row.addWidget(self._where)
        self._entries: dict[str, Button] = {}
        self._series: tuple[Series, ...] = ()
        Theme.current().changed.connect(self._recolour)

    def wrap(self) -> None:
        """Break into as many lines as it takes."""
        self._flow = Flow(spacing=2)
        self._row.addWidget(self._flow, 1)

    def height_at(self, width: int) -> int:
        """How tall it is at this width."""
        return self._flow.heightForWidth(width) if self._flow is not None else self.sizeHint().height()

    def show_series(self, series: Sequence[Series], hidden: set[str]) -> None:
        """Show these curves; entries stay where these curves begin with those that were shown."""
        before, self._series = self._series, tuple(series)
        if [one.name for one in series][: len(self._entries)] != list(self._entries):
            self._clear()
        new = series[len(self._entries) :]
        for one in new:
            self._add(one, shown=one.name not in hidden)
        if new:
            lead_through(self, self._entries.values())
        if new or list(map(look, series)) != list(map(look, before)):
            self._recolour()

    def read(self, x: float | None, values: dict[str, float], name: str = "step") -> None:
        """Show the values at `x` (None: the newest); `name` is what x is called."""
        where = "" if x is None else f"{name} {x:,.0f}".replace(",", " ")
        if self._where.text() != where:
            self._where.setText(where)
        for name, entry in self._entries.items():
            value = values.get(name)
            said = shortened(name, _LONGEST)
            text = f" {said}" if value is None or x is None else f" {said}  {value:.4g}"
            if entry.text() != text:
                entry.setText(text)

    def _clear(self) -> None:
        for entry in self._entries.values():
            if self._flow is not None:
                self._flow.take(entry)
            entry.hide()
            entry.deleteLater()
        self._entries = {}

    def _add(self, series: Series, *, shown: bool) -> None:
        entry = Button(f" {shortened(series.name, _LONGEST)}", "ghost", name=f"Show {series.name}")
        entry.setCheckable(True)
        entry.setChecked(shown)
        entry.toggled.connect(lambda on: self.toggled.emit(series.name, on))
        set_property(entry, "legend", True)
        self._entries[series.name] = entry
        if self._flow is not None:
            self._flow.add(entry)
            entry.show()
        else:
            self._row.addWidget(entry, 0, self._side)

    def _recolour(self) -> None:
        for series in self._series:
            if series.name in self._entries:
                self._entries[series.name].setIcon(_stroke(series))


def _stroke(series: Series) -> QIcon:
    """A short stretch of the curve."""
    theme = Theme.current()
    ratio = 2.0
    image = QPixmap(QSize(16, 16) * ratio)
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    color: QColor = theme.color(series.color, 0.55 if series.style == "thin" else 1.0)
    line = Qt.PenStyle.DotLine if series.style == "dashed" else Qt.PenStyle.SolidLine
    painter.setPen(QPen(color, 1.2 if series.style == "thin" else 2.2, line))
    painter.drawLine(QPointF(1, 8), QPointF(15, 8))
    if series.style == "points" or series.shape:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.translate(8, 8)
        painter.scale(_ICON, _ICON)
        painter.drawPath(Symbols[SYMBOLS[series.shape]])
    painter.end()
    return QIcon(image)
