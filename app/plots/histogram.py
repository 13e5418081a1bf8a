"""Paints `Histogram`: bars over their borders, with the place where examples are cut."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QContextMenuEvent, QFontMetrics, QHelpEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.plots.nothing import paint_nothing
from app.plots.saving import saving_menu
from app.style.theme import Theme
from app.widgets.focus_ring import paint_focus_ring
from app.words import number
from core.figures.figure import Histogram
from core.figures.ticks import spelled, ticks

_GRID = 44
"""Pixels between two lines of the grid, at least."""


class HistogramPlot(QWidget):
    """How many lie between which borders. The pointer, or the arrow keys, tell of one bar."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.figure: Histogram | None = None
        self.current: int | None = None
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        Theme.current().changed.connect(self.update)

    def show_figure(self, figure: Histogram | None) -> None:
        """Paint a figure, or nothing."""
        self.figure, self.current = figure, None
        self.setAccessibleDescription(figure.summary() if figure else "")
        self.update()

    def sizeHint(self) -> QSize:
        """Room for bars and the axis below them."""
        theme = Theme.current()
        return QSize(theme.px(220), theme.px(120))

    def minimumSizeHint(self) -> QSize:
        """Below this nothing can be read."""
        theme = Theme.current()
        return QSize(theme.px(140), theme.px(80))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint bars, axis, cut and the bar that is told of."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = Theme.current()
        figure = self.figure
        paint_focus_ring(painter, self)
        if figure is None:
            return
        if not sum(figure.counts):
            paint_nothing(painter, self.rect())
            return
        area = self._area()
        most = max(max(figure.counts), 1)
        self._paint_grid(painter, theme, area, most)
        painter.setPen(Qt.PenStyle.NoPen)
        for index, count in enumerate(figure.counts):
            left, right = self._x(figure.edges[index]), self._x(figure.edges[index + 1])
            height = max(area.height() * count / most, 1.5) if count else 0.0
            beyond = figure.mark is not None and figure.edges[index] >= figure.mark.x
            tone = "amber" if beyond else "blue"
            painter.setBrush(theme.color(tone, 1.0 if index == self.current else 0.75))
            bar = QRectF(left, area.bottom() - height, max(right - left - 1.5, 1.0), height)
            painter.drawRoundedRect(bar, 1.5, 1.5)
        self._paint_axis(painter, theme, figure, area)
        self._paint_name(painter, theme, figure, area)
        self._paint_mark(painter, theme, figure, area)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right walk along the bars and tell of each."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or self.figure is None or not self.figure.counts:
            super().keyPressEvent(event)
            return
        last = len(self.figure.counts) - 1
        begin = 0 if step > 0 else last
        self.current = begin if self.current is None else min(max(self.current + step, 0), last)
        self.update()
        place = QPointF(self._x(self.figure.edges[self.current]), self._area().top()).toPoint()
        QToolTip.showText(self.mapToGlobal(place), self._told(self.current), self)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to save picture and table."""
        saving_menu(self, lambda: self.figure).popup(event.globalPos())

    def event(self, event: QEvent) -> bool:
        """Tell of the bar under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self._at(event.pos().x())
            QToolTip.showText(event.globalPos(), "" if index is None else self._told(index), self)
            return True
        return super().event(event)

    def _paint_axis(self, painter: QPainter, theme: Theme, figure: Histogram, area: QRectF) -> None:
        painter.setPen(theme.color("line"))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.setFont(theme.font(11))
        painter.setPen(theme.color("muted"))
        line = QRectF(area.left(), area.bottom() + 3, area.width(), theme.px(16))
        if self._each_named(painter, figure, area):
            for left in figure.edges[:-1]:
                bar = QRectF(self._x(left), line.top(), self._x(left + 1) - self._x(left), line.height())
                painter.drawText(bar, Qt.AlignmentFlag.AlignHCenter, number(round(left)))
            line.translate(0, theme.px(15))
        else:
            painter.drawText(line, Qt.AlignmentFlag.AlignLeft, number(round(figure.edges[0])))
            painter.drawText(line, Qt.AlignmentFlag.AlignRight, number(round(figure.edges[-1]) - 1))
        painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, figure.x.text)

    def _paint_grid(self, painter: QPainter, theme: Theme, area: QRectF, most: int) -> None:
        """Lines across with their counts at the left."""
        painter.setFont(theme.font(11))
        values = [value for value in ticks(0, most, max(int(area.height() / theme.px(_GRID)), 1), whole=True) if value]
        for value, text in zip(values, spelled(values), strict=True):
            y = area.bottom() - area.height() * value / most
            painter.setPen(theme.color("line"))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(theme.color("muted"))
            room = QRectF(0, y - theme.px(8), area.left() - theme.px(8), theme.px(16))
            painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_name(self, painter: QPainter, theme: Theme, figure: Histogram, area: QRectF) -> None:
        """What is counted, upright at the left edge, as plots have it."""
        painter.save()
        painter.translate(0, area.bottom())
        painter.rotate(-90)
        painter.setPen(theme.color("muted"))
        said = painter.fontMetrics().elidedText(figure.y.text, Qt.TextElideMode.ElideRight, int(area.height()))
        painter.drawText(QRectF(0, 0, area.height(), theme.px(16)), Qt.AlignmentFlag.AlignCenter, said)
        painter.restore()

    def _each_named(self, painter: QPainter, figure: Histogram, area: QRectF) -> bool:
        """Whether every bar is of one whole number and wide enough for it."""
        single = all(right - left == 1 for left, right in pairwise(figure.edges))
        widest = painter.fontMetrics().horizontalAdvance(number(round(figure.edges[-1]))) + 6
        return single and widest * len(figure.counts) <= area.width() and self.height() >= Theme.current().px(110)

    def _paint_mark(self, painter: QPainter, theme: Theme, figure: Histogram, area: QRectF) -> None:
        if figure.mark is None or not figure.edges[0] <= figure.mark.x < figure.edges[-1]:
            return
        x = self._x(figure.mark.x)
        painter.setPen(QPen(theme.color("amber"), 1.5, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setFont(theme.font(11))
        painter.setPen(theme.color("amber_text"))
        width = painter.fontMetrics().horizontalAdvance(figure.mark.text) + 4
        left = x + 4 if x + 4 + width < area.right() else x - 4 - width
        painter.fillRect(QRectF(left - 1, area.top(), width, theme.px(16)), theme.color("panel", 0.85))
        painter.drawText(QRectF(left, area.top(), width, theme.px(16)), Qt.AlignmentFlag.AlignLeft, figure.mark.text)

    def _area(self) -> QRectF:
        theme = Theme.current()
        most = number(max(max(self.figure.counts), 1)) if self.figure is not None and self.figure.counts else ""
        left = QFontMetrics(theme.font(11)).horizontalAdvance(most) + theme.px(28)
        return QRectF(self.rect()).adjusted(left, 8, -4, -theme.px(36))

    def _x(self, value: float) -> float:
        assert self.figure is not None
        first, last = self.figure.edges[0], self.figure.edges[-1]
        area = self._area()
        return area.left() + area.width() * (value - first) / max(last - first, 1e-9)

    def _at(self, x: float) -> int | None:
        """The bar at a place across."""
        if self.figure is None:
            return None
        edges = self.figure.edges
        return next((i for i in range(len(self.figure.counts)) if self._x(edges[i]) <= x < self._x(edges[i + 1])), None)

    def _told(self, index: int) -> str:
        assert self.figure is not None
        first, last = round(self.figure.edges[index]), round(self.figure.edges[index + 1]) - 1
        between = number(first) if last <= first else f"{number(first)} to {number(last)}"
        count = number(self.figure.counts[index])
        return f"{between} {self.figure.x.label.lower()}: {count} {self.figure.y.label.lower()}"
