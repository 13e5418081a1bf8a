"""What the colours of the layer map mean, and how to work it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.style.scales import color
from app.style.theme import Theme

_HINT = "Drag to paint, shift-drag for a rectangle, click a head for a row or column; numbers are ranks"
_SHORT = "Drag to paint, click a head for a row or column"


class MapLegend(QWidget):
    """The colour bar with its ends and its name, and beside it a line of help; `left` is where cells begin."""

    def __init__(self, left: Callable[[], int], *, hints: tuple[str, str] = (_HINT, _SHORT)) -> None:
        super().__init__()
        self._left = left
        self._hints = hints
        self._ends = ("", "")
        self._name = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        Theme.current().changed.connect(self.updateGeometry)

    def set(self, low: str, high: str, name: str) -> None:
        """Show other ends and what is measured; an empty `high` for nothing measured yet."""
        self._ends, self._name = (low, high), name
        self.setAccessibleName(f"Colours: {name}, from {low} to {high}" if high else f"Colours: {name}")
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the bar and a line of text."""
        theme = Theme.current()
        return QSize(theme.px(480), theme.px(36))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it."""
        theme = Theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, width, height = self._left(), theme.px(212), theme.px(8)
        bar = QRectF(left, theme.px(6), width, height)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for step in range(17):
            gradient.setColorAt(step / 16, color(step / 16))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, height / 2, height / 2)
        painter.setFont(theme.font(11))
        painter.setPen(theme.color("muted"))
        below = QRectF(left, bar.bottom() + theme.px(3), width, theme.px(18))
        low, high = self._ends
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, low)
        right = f"{high} {self._name}".strip()
        painter.drawText(below, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, right)
        painter.setFont(theme.font(12))
        room = QRectF(bar.right() + theme.px(28), 0, self.width() - bar.right() - theme.px(28), theme.px(20))
        metrics = QFontMetrics(painter.font())
        hint = self._hints[0] if metrics.horizontalAdvance(self._hints[0]) < room.width() else self._hints[1]
        hint = metrics.elidedText(hint, Qt.TextElideMode.ElideRight, round(room.width()))
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, hint)
