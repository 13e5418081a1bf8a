"""Paints `Bars`: a name, a bar and a value a row, as many rows as there is room for."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QContextMenuEvent, QFont, QFontMetrics, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.plots.nothing import paint_nothing
from app.plots.saving import saving_menu
from app.style.scales import color
from app.style.theme import Theme
from app.widgets.focus_ring import paint_focus_ring
from core.figures.figure import Bars

_USUAL = 10
"""Rows that share the height where it is small; a tall plot shows more."""
_TALLEST = 28
_SHORT = 2
"""Letters of a unit that stands beside every number; a longer one is said once, above all."""
_THIN = 2.0
"""Pixels of a bar that is next to nothing."""


class BarsPlot(QWidget):
    """Named values as bars, coloured by their share."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.figure: Bars | None = None
        self._texts: tuple[str, ...] = ()
        self._value_width = 0
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        Theme.current().changed.connect(self.update)

    def show_figure(self, figure: Bars) -> None:
        """Paint a figure."""
        self.figure = figure
        self._texts = _texts(figure)
        self.setAccessibleDescription(figure.summary())
        self.update()

    def show_all(self) -> None:
        """Be tall enough for every row, where there is anything to see: for where it stands in a scroll area."""
        known = self.figure is not None and np.isfinite(self.figure.values).any()
        self.setMinimumHeight(len(self._texts) * Theme.current().px(_TALLEST) if known else 0)

    def sizeHint(self) -> QSize:
        """Room for a few rows."""
        return QSize(220, 120)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows."""
        theme = Theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_focus_ring(painter, self)
        figure = self.figure
        if figure is None:
            return
        if not np.isfinite(figure.values).any():
            paint_nothing(painter, self.rect())
            return
        # Made once for all rows: every new font is looked up anew when something is painted with it.
        names, values = theme.font(12, mono=True), theme.font(12, 500)
        longest = QFontMetrics(names).horizontalAdvance(max(figure.names, key=len))
        name_width = min(longest + theme.px(14), self.width() * 0.45)
        height, seen = self._row_height(), event.rect()
        widest = max(self._texts[: self._rows()], key=len, default="")
        self._value_width = max(theme.px(44), QFontMetrics(values).horizontalAdvance(widest)) + theme.px(12)
        last = min(int(seen.bottom() / height) + 1, self._rows())
        for row in range(max(int(seen.top() / height), 0), last):
            self._paint_row(painter, figure, row, name_width, (names, values))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer to save picture and table."""
        saving_menu(self, lambda: self.figure).popup(event.globalPos())

    def event(self, event: QEvent) -> bool:
        """Show the whole name of the row under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and self.figure is not None:
            row = int(event.pos().y() / self._row_height())
            names = self.figure.details or self.figure.names
            text = f"{names[row]}: {self._texts[row]}" if row < min(self._rows(), len(names)) else ""
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def _paint_row(
        self, painter: QPainter, figure: Bars, row: int, name_width: float, fonts: tuple[QFont, QFont]
    ) -> None:
        theme = Theme.current()
        height = self._row_height()
        line = QRectF(0, row * height, self.width(), height)
        value_width = self._value_width
        painter.setFont(fonts[0])
        painter.setPen(theme.color("muted"))
        name = painter.fontMetrics().elidedText(
            figure.names[row], Qt.TextElideMode.ElideMiddle, int(name_width - theme.px(8))
        )
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, name)
        painter.setFont(fonts[1])
        painter.setPen(theme.color("text"))
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._texts[row])
        if not np.isfinite(figure.values[row]):
            return
        begin, end = _extent(figure)
        value = float(np.nan_to_num(figure.values[row]))
        share = figure.shares[row] if figure.shares is not None else value / end if end > 0 else 0.0
        room = (self.width() - name_width - value_width) / ((end - begin) or 1.0)
        zero, length = name_width - begin * room, value * room
        thick = min(theme.px(10), height - 4)
        # Both ends of the colours lie near one of the grounds: the outline is what every bar is seen by.
        painter.setPen(QPen(theme.color("text", 0.4), 0.8))
        painter.setBrush(color(float(np.nan_to_num(share)), middle=begin < 0))
        left = zero + min(length, 0) if abs(length) > _THIN else zero - (_THIN if length < 0 else 0)
        painter.drawRoundedRect(QRectF(left, line.center().y() - thick / 2, max(abs(length), _THIN), thick), 2, 2)
        if begin < 0:
            painter.setPen(theme.color("line"))
            painter.drawLine(QPointF(zero, line.top()), QPointF(zero, line.bottom()))

    def _row_height(self) -> float:
        theme = Theme.current()
        return min(max(self.height() / _USUAL, theme.px(19)), theme.px(_TALLEST))

    def _rows(self) -> int:
        count = len(self.figure.names) if self.figure else 0
        return min(count, int(self.height() / self._row_height()))


def _texts(figure: Bars) -> tuple[str, ...]:
    """What stands beside each bar, with as many digits behind the point in every row as tell the longest apart."""
    top = max(map(abs, _extent(figure)))
    percent = figure.value.unit == "%"
    least = 1 if percent else 0
    decimals = int(np.clip((1 if percent else 2) - np.floor(np.log10(top)), least, 6)) if top > 0 else 1
    unit = f" {figure.value.unit}" if 0 < len(figure.value.unit) <= _SHORT else ""
    return tuple(_text(value, decimals, unit) for value in figure.values.tolist())


def _text(value: float, decimals: int, unit: str) -> str:
    if not np.isfinite(value):
        return "–"
    digits = f"{value:.{decimals}f}"
    if value and not float(digits):
        digits = f"{value:.1g}"  # next to the others next to nothing, but not nothing
    return digits + unit


def _extent(figure: Bars) -> tuple[float, float]:
    """Where the longest bars end, to the left of nothing and to the right."""
    good = figure.values[np.isfinite(figure.values)]
    return min(float(good.min(initial=0.0)), 0.0), max(float(good.max(initial=0.0)), 0.0)
