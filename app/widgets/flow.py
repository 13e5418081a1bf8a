"""Widgets side by side that break into lines, as words do."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QSizePolicy

from app.widgets.arranged import Arranged


class Flow(Arranged):
    """Children at their preferred size, from left to right, as many to a line as fit."""

    def __init__(self, *, spacing: int = 8) -> None:
        super().__init__(QSizePolicy.Policy.Preferred)
        self._gap = spacing

    def minimumSizeHint(self) -> QSize:
        """Room for the largest child."""
        least = QSize(0, 0)
        for child in self._children:
            least = least.expandedTo(child.sizeHint())
        return least

    def _arrange(self, width: int, *, move: bool) -> int:
        x = y = height = 0
        for child in self._present():
            size = child.sizeHint()
            if x + size.width() > width and height:
                x, y, height = 0, y + height + self._gap, 0
            if move:
                child.setGeometry(x, y, size.width(), size.height())
            x += size.width() + self._gap
            height = max(height, size.height())
        return y + height
