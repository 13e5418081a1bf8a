"""Texts: one line, several lines, and the name of a file with a button to look for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPlainTextEdit, QPushButton, QWidget

from app.forms.field import Field
from app.forms.keys import left_to_window
from app.style.theme import Theme


class TextEdit(QLineEdit):
    """An editor for `str` options."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.textEdited.connect(self.edited.emit)

    def event(self, event: QEvent) -> bool:
        """Undo and redo belong to the window."""
        return not left_to_window(event) and super().event(event)

    def value(self) -> Any:
        """The text."""
        return self.text()

    def set_value(self, value: Any) -> None:
        """Show a text; the cursor stays where it is while one types."""
        if self.text() != value:
            self.setText(value)
            self.setCursorPosition(0)


_BREAK = "⏎"
"""Stands for a line break within one text, so that what is shown can be read back exactly."""


class LinesEdit(QPlainTextEdit):
    """An editor for tuples of texts: one a line, a break within a text as ⏎; empty lines do not count."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value: tuple[str, ...] = ()
        self.setTabChangesFocus(True)
        self.setFixedHeight(Theme.current().px(76))
        self.textChanged.connect(self._say)

    def value(self) -> Any:
        """The texts, from top to bottom."""
        return tuple(line.replace(_BREAK, "\n") for line in self.toPlainText().split("\n") if line.strip())

    def set_value(self, value: Any) -> None:
        """Show these texts."""
        if tuple(value) == self.value():
            return
        self.blockSignals(True)
        self.setPlainText("\n".join(text.replace("\n", _BREAK) for text in value))
        self.blockSignals(False)
        self._value = self.value()

    def event(self, event: QEvent) -> bool:
        """Undo and redo belong to the window."""
        return not left_to_window(event) and super().event(event)

    def _say(self) -> None:
        """Tell of other texts, not of an empty line."""
        if self.value() != self._value:
            self._value = self.value()
            self.edited.emit(self._value)


class PathEdit(QWidget):
    """An editor for options that name a file or a folder."""

    edited = Signal(object)

    def __init__(self, field: Field, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = field.label
        self.line = TextEdit()
        self.line.setMinimumWidth(Theme.current().px(160))
        self.line.edited.connect(self.edited.emit)
        self.browse = QPushButton("Choose…")
        self.browse.setAccessibleName(f"Choose a file for {field.label.lower()}")
        self.browse.clicked.connect(self._choose)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(Theme.current().px(8))
        row.addWidget(self.line, 1)
        row.addWidget(self.browse)
        self.setFocusProxy(self.line)

    def setAccessibleName(self, name: str) -> None:
        """The name goes to the line that a screen reader stops at."""
        super().setAccessibleName(name)
        self.line.setAccessibleName(name)

    def value(self) -> Any:
        """The path as text."""
        return self.line.value()

    def set_value(self, value: Any) -> None:
        """Show a path; the cursor stands at its end, so that the file's name is seen."""
        if value != self.line.value():
            self.line.set_value(value)
            self.line.end(False)
        self.line.setToolTip(value)

    def _choose(self) -> None:
        start = str(Path(self.value()).parent) if self.value() else ""
        path, _ = QFileDialog.getOpenFileName(self, self._label, start)
        if path:
            self.set_value(path)
            self.edited.emit(path)
