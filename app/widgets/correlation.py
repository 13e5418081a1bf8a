"""How far several rankings agree: a square of correlations, one cell for each pair."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.style.scales import color, text_on
from app.style.theme import Theme
from app.widgets.focus_ring import paint_focus_ring

_CELL = (116, 44)
_GAP = 4
_ROOMY = 84
"""Width of a cell above which the names stand in the usual size."""
_LABELS, _HEADS = 190, 66
"""Room for the names beside and above; above they break into up to three lines."""


class CorrelationGrid(QWidget):
    """Names down and across, -1 (blue) over 0 (the ground) to 1 (orange) in between."""

    def __init__(self) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self._values: tuple[tuple[float, ...], ...] = ()
        self.setAccessibleName("Rank correlation of the scores")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        Theme.current().changed.connect(self.update)

    def show_table(self, names: Sequence[str], values: Sequence[Sequence[float]]) -> None:
        """Show the correlation of each pair; NaN where one of them ranks nothing."""
        self._names, self._values = tuple(names), tuple(tuple(row) for row in values)
        self.setAccessibleDescription("; ".join(self._said(i, j) for i in range(len(names)) for j in range(i)))
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the names and readable cells."""
        theme, count = Theme.current(), len(self._names)
        return QSize(theme.px(_LABELS + count * 72), theme.px(_HEADS + _CELL[1] * count))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint names and cells."""
        theme = Theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_focus_ring(painter, self)
        for place, name in enumerate(self._names):
            painter.setFont(theme.font(12))
            painter.setPen(theme.color("text"))
            left = QRectF(4, self._cell(place, 0).y(), self._left - 12, self._cell(place, 0).height())
            cut = QFontMetrics(painter.font()).elidedText(name, Qt.TextElideMode.ElideRight, round(left.width()))
            painter.drawText(left, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, cut)
            painter.setPen(theme.color("muted"))
            painter.setFont(theme.font(12 if self._cell(0, 0).width() > theme.px(_ROOMY) else 11))
            head = QRectF(self._cell(0, place).x(), 0, self._cell(0, place).width(), self._cell(0, 0).y() - _GAP)
            flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom | Qt.TextFlag.TextWordWrap
            painter.drawText(head.adjusted(2, 0, -2, 0), int(flags), name)
            for other in range(len(self._names)):
                self._paint_cell(painter, theme, place, other)

    def event(self, event: QEvent) -> bool:
        """Name the pair under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            places = [(i, j) for i in range(len(self._names)) for j in range(len(self._names))]
            found = next((pair for pair in places if self._cell(*pair).contains(event.pos().toPointF())), None)
            QToolTip.showText(event.globalPos(), self._said(*found) if found else "", self)
            return True
        return super().event(event)

    def _paint_cell(self, painter: QPainter, theme: Theme, row: int, column: int) -> None:
        value, rect = self._values[row][column], self._cell(row, column)
        painter.setPen(Qt.PenStyle.NoPen)
        good = math.isfinite(value) and row != column
        painter.setBrush(color((value + 1) / 2, middle=True) if good else theme.color("raised"))
        painter.drawRoundedRect(rect, 3, 3)
        painter.setFont(theme.font(13, 600))
        painter.setPen(text_on((value + 1) / 2, middle=True) if good else theme.color("muted"))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, f"{value:.2f}" if math.isfinite(value) else "–")

    @property
    def _left(self) -> float:
        return min(Theme.current().px(_LABELS), self.width() * 0.3)

    def _cell(self, row: int, column: int) -> QRectF:
        theme, count = Theme.current(), max(len(self._names), 1)
        width = min((self.width() - self._left) / count, theme.px(_CELL[0]))
        head = theme.px(_HEADS)
        height = min((self.height() - head) / count, theme.px(_CELL[1]))
        return QRectF(self._left + column * width, head + row * height, width - _GAP, height - _GAP)

    def _said(self, one: int, other: int) -> str:
        value = self._values[one][other]
        said = f"{value:.2f}" if math.isfinite(value) else "not known"
        return f"{self._names[one]} and {self._names[other]}: {said}"
