"""What a page shows while a worker is busy with the first of what it asked: the stage, in words, and how far it is."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.style.theme import Theme
from app.widgets.bar import ProgressLine
from app.widgets.empty_state import Picture
from app.widgets.labels import ElidedLabel


class WaitingView(QWidget):
    """A sentence and a line, in the middle of the room; `hint` says what will come.

    `doing` stands there as long as the worker has not said its own stage. While nobody works yet there is a picture in
    place of the line.
    """

    def __init__(self, doing: str, hint: str = "") -> None:
        super().__init__()
        self._doing, self._coming = doing, hint
        column = QVBoxLayout(self)
        column.setSpacing(12)
        column.addStretch(3)
        self._picture = Picture("table")
        self._picture.hide()
        self._stage = ElidedLabel(doing, "heading")
        self._line = ProgressLine(height=4, name=f"Progress of: {doing}")
        self._line.setFixedWidth(Theme.current().px(320))
        self._hint = ElidedLabel(hint, "label")
        for widget in (self._picture, self._stage, self._line, self._hint):
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(4)

    def show_stage(self, text: str, share: float | None) -> None:
        """Show what the worker is busy with."""
        self._stage.setText(text or self._doing)
        self._hint.setText(self._coming)
        self._line.set(share)
        self._line.show()
        self._picture.hide()
        self.setAccessibleName(self._stage.text())

    def show_turn(self, text: str, hint: str) -> None:
        """Show that nobody works at it yet, and what it waits for."""
        self._stage.setText(text)
        self._hint.setText(hint)
        self._line.hide()
        self._picture.show()
        self.setAccessibleName(f"{text}. {hint}")
