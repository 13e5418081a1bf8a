"""One row of a form: label at the left, editor at the right, and below them what is wrong with the value."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QPlainTextEdit, QSizePolicy, QWidget

from app.forms.field import Field
from app.forms.text import LinesEdit, PathEdit, TextEdit
from app.style.theme import Theme
from app.widgets import label, set_property

_WIDE = (LinesEdit, PathEdit, TextEdit)
"""Editors that get the width of the form, under their label."""


class Row(QWidget):
    """Label, editor, problem. The help is the tooltip of both, and what a screen reader reads after the name."""

    def __init__(self, field: Field, editor: QWidget) -> None:
        super().__init__()
        self.editor = editor
        self._said: dict[str, str] = {}
        self.label = QLabel(field.label)
        self.label.setProperty("type", "label")
        self.label.setBuddy(editor)
        self.problem = label("", "hint", wrap=True)
        self.problem.setProperty("tone", "red")
        self.problem.hide()
        editor.setAccessibleName(f"{field.label}, {field.unit}" if field.unit else field.label)
        editor.setAccessibleDescription(field.help)
        if field.help:
            self.label.setToolTip(_wrapped(field.help))
            editor.setToolTip(_wrapped(field.help))
        self._lay_out(editor)

    def say(self, source: str, problem: str) -> None:
        """Show what is wrong, as told by `source` (the editor itself, the configuration's checks); "" for nothing."""
        if self._said.get(source, "") == problem:
            return
        self._said[source] = problem
        text = next((said for said in self._said.values() if said), "")
        self.problem.setText(text)
        self.problem.setVisible(bool(text))
        set_property(self.editor, "wrong", "true" if text else "false")

    def _lay_out(self, editor: QWidget) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(Theme.current().px(12))
        grid.setVerticalSpacing(Theme.current().px(4))
        grid.setColumnStretch(0, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        if isinstance(editor, _WIDE) or bool(editor.property("wide")):
            grid.addWidget(self.label, 0, 0)
            grid.addWidget(editor, 1, 0, 1, 2)
        else:
            side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            grid.addWidget(self.label, 0, 0)
            grid.addWidget(editor, 0, 1, side)
        grid.addWidget(self.problem, 2, 0, 1, 2)
        if isinstance(editor, QPlainTextEdit):
            self.label.setAlignment(Qt.AlignmentFlag.AlignTop)


def _wrapped(text: str) -> str:
    """Rich text, so that a long tooltip breaks into lines."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return f"<qt>{escaped}</qt>"
