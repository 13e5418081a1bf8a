"""What all plots over steps share: themed axes, zoom along x, a marker, a hover line, and pictures and tables out.

The wheel zooms around the pointer, dragging zooms to a stretch, a double click shows everything again, a click puts
the marker on a step; the arrow keys move it. A plot never decides what others show: it says where the pointer, the
marker and the zoom are, and is told where they should be, so that several plots of one run move together.
"""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.plots.axes import NumberAxis
from app.plots.nothing import paint_nothing
from app.plots.saving import saving_menu
from app.style.theme import Theme
from core.figures.figure import Axis, Figure
from core.figures.run import STEP

pg.setConfigOptions(antialias=False, useOpenGL=False)

Range = tuple[float, float]
_LOW = 180
"""Height of a plot over steps below which it is not written that they are steps, in unscaled pixels."""


class View(pg.ViewBox):
    """The inside of a plot: turns wheel and drag into wishes for a stretch of x."""

    wished = Signal(object)
    """A stretch of x (start, end) to show."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, defaultPadding=0.0)
        self.setMouseEnabled(x=True, y=False)
        self.disableAutoRange()
        self._band = pg.LinearRegionItem(movable=False)
        self._band.setZValue(50)
        self._band.hide()
        self.addItem(self._band, ignoreBounds=True)

    def set_band(self, color: Any) -> None:
        """Colour of the stretch while it is dragged."""
        self._band.setBrush(color)
        for line in self._band.lines:
            line.setPen(pg.mkPen(None))

    def wheelEvent(self, event: Any, axis: int | None = None) -> None:
        """Zoom x around the pointer."""
        event.accept()
        start, end = self.viewRange()[0]
        centre = self.mapToView(event.pos()).x()
        factor = 0.998 ** event.delta()
        self.wished.emit((centre - (centre - start) * factor, centre + (end - centre) * factor))

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Left: choose a stretch. Middle, or left with Shift: move sideways."""
        event.accept()
        moving = event.button() == Qt.MouseButton.MiddleButton or event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        here = self.mapToView(event.pos()).x()
        if moving:
            shift = self.mapToView(event.lastPos()).x() - here
            start, end = self.viewRange()[0]
            self.wished.emit((start + shift, end + shift))
            return
        first = self.mapToView(event.buttonDownPos(event.button())).x()
        self._band.setRegion((first, here))
        self._band.setVisible(not event.isFinish())
        if event.isFinish() and abs(event.pos().x() - event.buttonDownPos(event.button()).x()) > 6:
            self.wished.emit((min(first, here), max(first, here)))


class Canvas(pg.PlotWidget):
    """A plot over steps. Subclasses paint a figure in `_paint` and say its extent in `_extent`."""

    marked = Signal(object)
    """The user put the marker on an x, or took it away (None)."""
    hovered = Signal(object)
    """The pointer is over an x, or has left (None)."""
    zoomed = Signal(object)
    """The user chose a stretch of x (start, end), or everything (None)."""

    def __init__(self, name: str) -> None:
        self.view = View()
        axes = {side: NumberAxis(side) for side in ("left", "bottom")}
        super().__init__(viewBox=self.view, enableMenu=False, axisItems=axes)
        self.name = name
        self.figure: Figure | None = None
        self.zoom: Range | None = None
        self.mark: float | None = None
        self._labels = (Axis(""), Axis(""))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self.setFrameShape(self.Shape.NoFrame)
        self.getPlotItem().hideButtons()
        self.getPlotItem().layout.setContentsMargins(0, 7, 16, 0)
        self.hover_line = pg.InfiniteLine(angle=90, movable=False)
        self.mark_line = pg.InfiniteLine(angle=90, movable=True)
        for line in (self.hover_line, self.mark_line):
            line.setZValue(40)
            line.hide()
            self.addItem(line, ignoreBounds=True)
        self.view.wished.connect(self._zoom_by_hand)
        self.view.sigResized.connect(lambda _: self._size_axis())
        self.mark_line.sigPositionChanged.connect(self._mark_dragged)
        self.scene().sigMouseClicked.connect(self._clicked)
        self.scene().sigMouseMoved.connect(self._moved)
        Theme.current().enlist(self)
        self.restyle()

    def show_figure(self, figure: Figure) -> None:
        """Paint a figure; cheap where it is the last one with more measurements."""
        self.figure = figure
        self._paint(figure)
        for side in ("left", "bottom"):
            self.getAxis(side).setVisible(self._measured())
        self._fit()

    def set_mark(self, x: float | None) -> None:
        """Put the marker on an x without telling anybody."""
        self.mark = x
        self.mark_line.blockSignals(True)
        if x is not None:
            self.mark_line.setPos(x)
        self.mark_line.blockSignals(False)
        self.mark_line.setVisible(x is not None)

    def set_hover(self, x: float | None) -> None:
        """Show where the pointer is (over this plot or another one of the same run)."""
        if x is not None:
            self.hover_line.setPos(x)
        self.hover_line.setVisible(x is not None)

    def set_zoom(self, zoom: Range | None) -> None:
        """Show a stretch of x, or everything."""
        if zoom != self.zoom:
            self.zoom = zoom
            self._fit()

    def restyle(self) -> None:
        """Take the theme's colours and sizes."""
        theme = Theme.current()
        self.setBackground(theme.color("panel"))
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(None))
            axis.setTickPen(pg.mkPen(theme.color("line"), width=1))
            axis.setTextPen(theme.color("muted"))
            axis.setStyle(tickLength=0, tickFont=theme.font(11), tickTextOffset=6, maxTickLevel=0)
            # Beneath the curves and the marks: their grid belongs behind both.
            axis.setZValue(-1)
            axis.setStyle(hideOverlappingLabels=False, tickAlpha=255 if axis.grid else 0)
        self.getAxis("left").setWidth(theme.px(68))
        self._size_axis()
        self._set_labels(*self._labels)
        self.hover_line.setPen(pg.mkPen(theme.color("muted"), width=1, style=Qt.PenStyle.DotLine))
        self.mark_line.setPen(pg.mkPen(theme.color("accent"), width=1.5))
        self.mark_line.setHoverPen(pg.mkPen(theme.color("accent"), width=3))
        self.view.set_band(theme.color("accent", 0.18))
        if self.figure is not None:
            self.show_figure(self.figure)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrow keys move the marker, Escape takes it away, Home shows everything."""
        stride = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
        extent = self._extent()
        match event.key():
            case Qt.Key.Key_Left | Qt.Key.Key_Right if extent is not None:
                sign = -1 if event.key() == Qt.Key.Key_Left else 1
                begin = extent[1] if self.mark is None else self.mark + sign * stride
                self._mark_by_hand(min(max(begin, extent[0]), extent[1]))
            case Qt.Key.Key_Escape if self.mark is not None:
                self._mark_by_hand(None)
            case Qt.Key.Key_Home:
                self._zoom_by_hand(None)
            case Qt.Key.Key_Plus | Qt.Key.Key_Minus:
                self._zoom_with_key(0.8 if event.key() == Qt.Key.Key_Plus else 1.25)
            case _:
                QWidget.keyPressEvent(self, event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to save picture and table."""
        saving_menu(self, lambda: self.figure).popup(event.globalPos())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the figure, or say that there is none."""
        super().paintEvent(event)
        if self.figure is not None and not self._measured():
            with QPainter(self.viewport()) as painter:
                paint_nothing(painter, self.viewport().rect())

    def leaveEvent(self, event: QEvent) -> None:
        """The pointer has left."""
        super().leaveEvent(event)
        self.hovered.emit(None)

    def _paint(self, figure: Any) -> None:
        raise NotImplementedError

    def _extent(self) -> Range | None:
        """First and last x of the figure; None where it is empty."""
        raise NotImplementedError

    def _measured(self) -> bool:
        """Whether the figure has anything to show."""
        return True

    def _room(self) -> float:
        """Share of the range of x that stays free at both ends while everything is shown."""
        return 0.0

    def _fit_y(self, shown: Range) -> None:
        """Choose the range of y for what is shown of x."""

    def _fit(self) -> None:
        extent = self._extent()
        if extent is None:
            return
        shown = self.zoom or extent
        if shown[1] <= shown[0]:
            shown = (shown[0], shown[0] + 1)
        room = self._room() * (shown[1] - shown[0]) if self.zoom is None else 0.0
        self.view.setXRange(shown[0] - room, shown[1] + room, padding=0)
        self._fit_y(shown)

    def _size_axis(self) -> None:
        """Where the plot is low, that steps are steps goes without saying: the height is the figure's."""
        px, axis = Theme.current().px, self.getAxis("bottom")
        low = self._labels[0] == STEP and self.height() < px(_LOW)
        axis.label.setVisible(not low)
        axis.setHeight(px(22 if low else 38))

    def _set_labels(self, x: Axis, y: Axis) -> None:
        self._labels = (x, y)
        for side, axis in (("bottom", x), ("left", y)):
            if axis.label:
                item = self.getAxis(side)
                item.name(axis)
                item.resizeEvent()  # it is put in the middle only then
        self._size_axis()

    def _zoom_by_hand(self, zoom: Range | None) -> None:
        extent = self._extent()
        if zoom is not None and extent is not None:
            start, end = max(zoom[0], extent[0]), min(zoom[1], extent[1])
            if end - start < 2:
                return
            zoom = None if (start, end) == extent else (start, end)
        self.set_zoom(zoom)
        self.zoomed.emit(zoom)

    def _zoom_with_key(self, factor: float) -> None:
        start, end = self.view.viewRange()[0]
        centre, half = (start + end) / 2, (end - start) / 2 * factor
        self._zoom_by_hand((centre - half, centre + half))

    def _mark_by_hand(self, x: float | None) -> None:
        x = None if x is None else float(round(x))
        self.set_mark(x)
        self.marked.emit(x)

    def _mark_dragged(self) -> None:
        self._mark_by_hand(self.mark_line.value())

    def _clicked(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not self._inside(event.scenePos()):
            return
        if event.double():
            self._mark_by_hand(None)
            self._zoom_by_hand(None)
        else:
            self._mark_by_hand(self.view.mapSceneToView(event.scenePos()).x())
        event.accept()

    def _moved(self, position: QPointF) -> None:
        inside = self._inside(position)
        self._hovered_at(self.view.mapSceneToView(position) if inside else None)

    def _hovered_at(self, point: QPointF | None) -> None:
        self.hovered.emit(None if point is None else point.x())

    def _inside(self, position: QPointF) -> bool:
        area: QRectF = self.view.sceneBoundingRect()
        return area.contains(position)
