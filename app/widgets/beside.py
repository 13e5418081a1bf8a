"""Parts of a page side by side; where the text is large, or the window small, one above the other."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QWidget

from app.style.theme import Theme
from app.widgets.scroll import Scrolled

_LEAST = 660
"""Width below which parts stand one above the other, in unscaled pixels."""
_ANY = 16_777_215
"""Qt's word for a width without limit."""


class Beside(QWidget):
    """Parts from left to right; or from top to bottom, where what scrolls by itself is whole, and the page scrolls.

    Args:
        gap: pixels between two parts.
    """

    turned = Signal(bool)
    """Whether the parts stand one above the other now."""

    def __init__(self, *, gap: int = 24) -> None:
        super().__init__()
        self._gap = gap
        self._parts: list[QWidget] = []
        self._sides: dict[QWidget, int] = {}
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(gap)
        Theme.current().changed.connect(self._scale)

    @property
    def stacked(self) -> bool:
        """Whether the parts stand one above the other."""
        return self._row.direction() == QBoxLayout.Direction.TopToBottom

    def add(self, part: QWidget, share: int = 0, *, width: int = 0) -> None:
        """One more part: its share of the width, or a width of its own in unscaled pixels."""
        self._row.addWidget(part, share)
        self._parts.append(part)
        if width:
            self._sides[part] = width
            part.setFixedWidth(Theme.current().px(width))

    def minimumSizeHint(self) -> QSize:
        """One part wide."""
        least = (part.minimumSizeHint().width() for part in self._parts if not part.isHidden())
        return QSize(max(least, default=0), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Turn with the room."""
        super().resizeEvent(event)
        self._turn()

    def event(self, event: QEvent) -> bool:
        """A part needs more room, or less."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._turn()
        return super().event(event)

    def _turn(self) -> None:
        """One above the other, or beside one another, where that is another way than now."""
        px = Theme.current().px
        shown = [part for part in self._parts if not part.isHidden()]
        needed = sum(px(self._sides[part]) if part in self._sides else part.minimumSizeHint().width() for part in shown)
        stacked = self.width() < max(px(_LEAST), needed + self._gap * (len(shown) - 1))
        if stacked != self.stacked:
            self._place(stacked)

    def _scale(self) -> None:
        """Take the text's size."""
        self._place(self.stacked)
        self._turn()

    def _place(self, stacked: bool) -> None:
        px = Theme.current().px
        way = QBoxLayout.Direction.TopToBottom if stacked else QBoxLayout.Direction.LeftToRight
        self._row.setDirection(way)
        self._row.setSpacing(16 if stacked else self._gap)
        for part, width in self._sides.items():
            part.setMinimumWidth(0 if stacked else px(width))
            part.setMaximumWidth(_ANY if stacked else px(width))
        for part in self._parts:
            if isinstance(part, Scrolled):
                part.show_whole(stacked)
        self.turned.emit(stacked)
