"""The outline of a painted widget that has the keyboard."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from app.style.theme import Theme


def paint_focus_ring(painter: QPainter, widget: QWidget) -> None:
    """Outline the whole widget where it has the focus."""
    if widget.hasFocus():
        painter.setPen(Theme.current().color("accent"))
        painter.drawRoundedRect(QRectF(widget.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
