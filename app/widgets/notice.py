"""A quiet banner: something the user should know, with what to do about it and one click to the details."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontDatabase, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QSizePolicy, QVBoxLayout

from app.widgets.buttons import Button
from app.widgets.labels import label, set_property
from app.wording import labelled


class Notice(QFrame):
    """One sentence with a coloured edge, a hint below it, buttons at the right, and details folded away.

    Args:
        tone: accent, amber, red or muted.
    """

    def __init__(self, text: str = "", *, hint: str = "", tone: str = "amber", details: str = "") -> None:
        super().__init__()
        self.setProperty("kind", "notice")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(14, 10, 12, 10)
        outer.setSpacing(8)
        row = QHBoxLayout()
        row.setSpacing(10)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        self._text = label(text, "value", wrap=True, select=True)
        self._hint = label(hint, "label", wrap=True, select=True)
        texts.addWidget(self._text)
        texts.addWidget(self._hint)
        row.addLayout(texts, 1)
        self._show = Button("Show details", "ghost", do=self._toggle)
        row.addWidget(self._show, 0, Qt.AlignmentFlag.AlignVCenter)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        row.addLayout(self._buttons)
        outer.addLayout(row)
        self._details = _details()
        outer.addWidget(self._details)
        self.set(text, hint=hint, tone=tone, details=details)

    def set(self, text: str, *, hint: str = "", tone: str = "amber", details: str = "") -> None:
        """Say something else, with the labels of options in place of their names; the details as they are."""
        text, hint = labelled(text), labelled(hint)
        self._text.setText(text)
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint))
        self.setAccessibleName(f"{text} {hint}".strip())
        set_property(self, "tone", tone)
        if self._details.toPlainText() != details:
            self._details.setPlainText(details)
        self._show.setVisible(bool(details))
        if not details:
            self._details.hide()

    @property
    def text(self) -> str:
        """The sentence that it shows."""
        return self._text.text()

    def sizeHint(self) -> QSize:
        """As tall as the text is at the present width; a layout would leave room for lines of a few words."""
        return QSize(super().sizeHint().width(), self.heightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        """No less: what is said must be read."""
        return QSize(super().minimumSizeHint().width(), self.heightForWidth(self.width()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other lines, another height."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()

    def add_button(self, button: Button) -> None:
        """Put a button at the right end."""
        self._buttons.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)

    def _toggle(self) -> None:
        self._details.setVisible(not self._details.isVisible())
        self._show.setText("Hide details" if self._details.isVisible() else "Show details")


def _details() -> QPlainTextEdit:
    view = QPlainTextEdit()
    view.setReadOnly(True)
    view.setAccessibleName("Details")
    view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    view.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    view.setMinimumHeight(160)
    view.setMaximumHeight(260)
    view.hide()
    return view
