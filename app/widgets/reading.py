"""What is shown while the background worker reads: the stage, in words, and how far it is."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.style.theme import Theme
from app.widgets.bar import ProgressLine
from app.widgets.labels import label


class ReadingView(QWidget):
    """A sentence and a line, in the middle of the room."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setSpacing(12)
        column.addStretch(3)
        self._stage = label("Reading the data", "heading")
        self._line = ProgressLine(height=4, name="Progress of the reading")
        self._line.setFixedWidth(Theme.current().px(320))
        for widget in (self._stage, self._line):
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(4)

    def show_stage(self, text: str, share: float | None) -> None:
        """Show what the worker is busy with."""
        self._stage.setText(text or "Reading the data")
        self._line.set(share)
