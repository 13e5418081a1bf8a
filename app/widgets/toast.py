"""A short word at the bottom of the window, with a way back: "2 runs moved to the bin. Undo"."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from app.widgets.buttons import Button
from app.widgets.labels import label

_BELOW, _FREE = 12, 12
"""Pixels below it, and those that every page leaves free at its lower edge anyway, less a gap."""
LASTS = 8000
"""Milliseconds that it stays."""


class Toast(QFrame):
    """Stands below what its parent shows until its time is over; what is shown makes room, so nothing is covered."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("kind", "notice")
        self.setProperty("tone", "accent")
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 8, 8)
        row.setSpacing(12)
        self._text = label("", "value")
        self._button = Button("Undo", "ghost", do=self._act)
        self._action: Callable[[], object] | None = None
        row.addWidget(self._text)
        row.addWidget(self._button)
        row.addWidget(Button("", "ghost", icon="close", name="Close", do=self.hide))
        self._timer = QTimer(self, singleShot=True, interval=LASTS)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def say(
        self, text: str, action: tuple[str, Callable[[], object]] | None = None, *, stays: bool = False
    ) -> None:  # fmt: skip
        """Show a sentence, with a button that does something about it; `stays` until it is closed."""
        self._text.setText(text)
        self.setAccessibleName(text)
        self._button.setVisible(action is not None)
        if action is not None:
            self._button.setText(action[0])
            self._action = action[1]
        self.adjustSize()
        self.show()
        self.raise_()
        self.place()
        self._timer.stop() if stays else self._timer.start()

    def place(self) -> None:
        """Stand in the middle of the parent's lower edge, with as much room as it takes."""
        parent = self.parentWidget()
        if parent is not None and not self.isHidden():
            self.move((parent.width() - self.width()) // 2, parent.height() - self.height() - _BELOW)
            parent.setContentsMargins(0, 0, 0, max(self.height() + _BELOW - _FREE, 0))

    def hideEvent(self, event: QHideEvent) -> None:
        """Give the room back."""
        super().hideEvent(event)
        parent = self.parentWidget()
        if parent is not None and self.isHidden():
            parent.setContentsMargins(0, 0, 0, 0)

    def _act(self) -> None:
        self.hide()
        if self._action is not None:
            self._action()


class DropHint(QFrame):
    """Covers the pages while something is dragged over the window and says what dropping it does."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("kind", "drop")
        row = QHBoxLayout(self)
        self._text = label("", "title")
        row.addWidget(self._text, 0, Qt.AlignmentFlag.AlignCenter)
        self.hide()

    def say(self, text: str) -> None:
        """Cover the parent."""
        self._text.setText(text)
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect().adjusted(16, 16, -16, -16))
        self.show()
        self.raise_()
