"""Widgets side by side that break into lines, as words do."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.widgets.arranged import Arranged


class Flow(Arranged):
    """Children at their preferred size, from left to right, as many to a line as fit."""

    def __init__(self, *, spacing: int = 8) -> None:
        super().__init__(QSizePolicy.Policy.Preferred)
        self._gap = spacing

    @property
    def line(self) -> int:
        """How wide it would be in one line."""
        return sum(_size(child).width() + self._gap for child in self._present()) - self._gap

    def minimumSizeHint(self) -> QSize:
        """Room for the largest child."""
        least = QSize(0, 0)
        for child in self._children:
            least = least.expandedTo(_size(child))
        return least

    def _arrange(self, width: int, *, move: bool) -> int:
        rows: list[list[QWidget]] = [[]]
        x = y = 0
        for child in self._present():
            if x + _size(child).width() > width and rows[-1]:
                rows.append([])
                x = 0
            rows[-1].append(child)
            x += _size(child).width() + self._gap
        for row in rows:
            x, height = 0, max((_size(child).height() for child in row), default=0)
            for child in row:
                size = _size(child)
                if move:
                    child.setGeometry(x, y + (height - size.height()) // 2, size.width(), size.height())
                x += size.width() + self._gap
            y += height + self._gap
        return y - self._gap


class Line(Flow):
    """As long as its children in one line; it breaks only where it is told that it may."""

    def __init__(self, *, spacing: int = 8) -> None:
        super().__init__(spacing=spacing)
        self._breaks = False

    def may_break(self, breaks: bool) -> None:
        """Whether it may have several lines."""
        if breaks != self._breaks:
            self._breaks = breaks
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """One line, or as many as its width needs."""
        return super().sizeHint() if self._breaks else QSize(self.line, super().minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """One line, or one child."""
        return super().minimumSizeHint() if self._breaks else self.sizeHint()


def _size(child: QWidget) -> QSize:
    return child.sizeHint().expandedTo(child.minimumSize()).boundedTo(child.maximumSize())
