"""A column that scrolls up and down where it is taller than its room, and is never cut at its sides."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

_AIR = 8
"""Pixels between what scrolls and the bar."""


class Scrolled(QScrollArea):
    """See the module; the keyboard reaches what is in it, not the area itself."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        self._whole = False
        self._holder = QWidget()
        column = QVBoxLayout(self._holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(inner)
        self.setWidget(self._holder)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(lambda low, high: column.setContentsMargins(0, 0, _AIR if high > low else 0, 0))
        bar.rangeChanged.connect(lambda low, high: self.updateGeometry())

    def show_whole(self, whole: bool) -> None:
        """Ask for room for all that is in it, for where the page around it scrolls; or scroll by itself."""
        if whole != self._whole:
            self._whole = whole
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """All its height: where there is more room, panels end with what is in them."""
        return QSize(super().sizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        """All its width, and all its height or a little of it."""
        width = self._holder.minimumSizeHint().width()
        if self._whole:
            return QSize(width, self._height())
        return QSize(width + self.verticalScrollBar().sizeHint().width(), super().minimumSizeHint().height())

    def _height(self) -> int:
        """How high all that is in it is at the present width."""
        holder = self._holder
        least = holder.minimumSizeHint().height()
        return max(least, holder.heightForWidth(self.width())) if holder.hasHeightForWidth() else least


def scrolled(inner: QWidget) -> Scrolled:
    """Let a widget scroll."""
    return Scrolled(inner)
