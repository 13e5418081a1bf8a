"""On or off."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from app.style.theme import Theme


class Switch(QAbstractButton):
    """An editor for `bool` options: a knob that slides, in the accent colour when on."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(lambda: self.edited.emit(self.isChecked()))
        Theme.current().changed.connect(self.updateGeometry)

    def value(self) -> Any:
        """Whether it is on."""
        return self.isChecked()

    def set_value(self, value: Any) -> None:
        """Show on or off."""
        self.setChecked(bool(value))

    def sizeHint(self) -> QSize:
        """As high as a field, so that its label stands on the line of those beside it."""
        theme = Theme.current()
        return QSize(theme.px(38), theme.px(30))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Track, knob, and a ring where the keyboard is."""
        theme = Theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        height = theme.px(18)
        track = QRectF(2, (self.height() - height) / 2, self.width() - 4, height)
        on = self.isChecked()
        painter.setPen(QPen(theme.color("accent" if on else "faint"), 1))
        painter.setBrush(theme.color("button" if on else "raised"))
        painter.drawRoundedRect(track, height / 2, height / 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("on_button" if on else "muted"))
        x = track.right() - height / 2 if on else track.left() + height / 2
        painter.drawEllipse(QPointF(x, track.center().y()), height / 2 - 4, height / 2 - 4)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            ring = track.adjusted(-1.5, -2.5, 1.5, 2.5)
            painter.drawRoundedRect(ring, ring.height() / 2, ring.height() / 2)
