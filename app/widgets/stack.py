"""Pages in one place, of which only the one in front counts.

Qt's own layout asks for room for the largest of them, also while that is hidden: a sentence in the middle of the room
would then stand far below what is in sight.
"""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QStackedLayout


class Stack(QStackedLayout):
    """As large as the page in front wants to be."""

    def __init__(self) -> None:
        super().__init__()
        self.currentChanged.connect(lambda _: self.update())

    def minimumSize(self) -> QSize:
        """What the page in front needs."""
        shown = self.itemAt(self.currentIndex())
        return shown.minimumSize() if shown is not None else QSize(0, 0)

    def sizeHint(self) -> QSize:
        """What the page in front wants."""
        shown = self.itemAt(self.currentIndex())
        return shown.sizeHint() if shown is not None else QSize(0, 0)

    def hasHeightForWidth(self) -> bool:
        """Whether the page in front has lines that break."""
        shown = self.itemAt(self.currentIndex())
        return shown is not None and shown.hasHeightForWidth()

    def heightForWidth(self, width: int) -> int:
        """The height of the page in front at this width."""
        shown = self.itemAt(self.currentIndex())
        return shown.heightForWidth(width) if shown is not None else -1
