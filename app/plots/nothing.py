"""What a plot says where there is nothing to show: bare axes would look like a measurement of nothing."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QPainter

from app.style.theme import Theme


def paint_nothing(painter: QPainter, room: QRect) -> None:
    """Say it in the middle of the room."""
    theme = Theme.current()
    painter.setFont(theme.font(12))
    painter.setPen(theme.color("muted"))
    painter.drawText(room, Qt.AlignmentFlag.AlignCenter, "No measurements")
