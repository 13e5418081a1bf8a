"""The chat template: the model's own, one of the known, or a text of one's own, with its tokens as one types.

What is shown comes from the worker, through the code that trains. The dialog edits a document of its own, so nothing of
the run changes before it is accepted.
"""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QComboBox, QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from app.document import Document
from app.jobs import Jobs
from app.models.inquiry import Inquiry
from app.style.theme import Theme
from app.widgets.buttons import plain, primary
from app.widgets.labels import label
from app.widgets.token_panel import TokenPanel
from core.config.run import RunConfig
from core.data.templates import TEMPLATES
from core.errors import UserError

OWN, EDITED = "The model's own", "Edited here"
_WAIT = 300
"""Milliseconds without a key after which the text is taken."""


class TemplateDialog(QDialog):
    """A list and an editor at the left, the tokens of real examples at the right."""

    def __init__(self, config: RunConfig, jobs: Jobs, parent: QWidget) -> None:
        super().__init__(parent)
        theme = Theme.current()
        self._scratch = Document(None, parent=self)
        self._scratch.replace(config, "")
        self._own = ""
        self.setWindowTitle("Chat template")
        self.resize(theme.px(1120), theme.px(640))
        self.choice = QComboBox()
        self.choice.setAccessibleName("Chat template")
        self.choice.addItems([OWN, *TEMPLATES, EDITED])
        self.editor = QPlainTextEdit()
        self.editor.setAccessibleName("Text of the template")
        self.editor.setFont(theme.font(12, mono=True))
        self.editor.setTabChangesFocus(True)
        self.editor.setPlaceholderText("The template that comes with the model is used.")
        self.problem = label("", "hint", tone="red", wrap=True)
        self.problem.hide()
        self._inquiry = Inquiry(
            self._scratch, jobs, "preview_data", depends=("data.", "model.path"), needs_model=True, parent=self
        )
        self.tokens = TokenPanel(self._inquiry)
        self._typing = QTimer(self, singleShot=True, interval=_WAIT)
        self._typing.timeout.connect(self._take_text)
        self._lay_out()
        self._show_given(config.data.template)
        self._inquiry.changed.connect(self._follow)
        self.choice.activated.connect(lambda _: self._take_choice())
        self.editor.textChanged.connect(self._typed)

    @property
    def template(self) -> str:
        """What `data.template` becomes: a known name, a text, or nothing for the model's own."""
        self._take_text()
        return self._scratch.config.data.template

    def done(self, result: int) -> None:
        """Nothing is asked any more once the dialog is closed."""
        self._typing.stop()
        self._inquiry.stop()
        super().done(result)

    def _lay_out(self) -> None:
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 20, 24, 20)
        outer.setSpacing(12)
        columns = QHBoxLayout()
        columns.setSpacing(16)
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(label("Chat template", "heading"))
        hint = "How turns become one text. A model answers best in the form that it was made with. Edit any of them."
        left.addWidget(label(hint, "hint", wrap=True))
        left.addWidget(self.choice)
        left.addWidget(self.editor, 1)
        left.addWidget(self.problem)
        columns.addLayout(left, 2)
        columns.addWidget(self.tokens, 3)
        outer.addLayout(columns, 1)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(plain("Cancel", self.reject))
        self.take = primary("Use this template", self.accept)
        buttons.addWidget(self.take)
        outer.addLayout(buttons)

    def _show_given(self, template: str) -> None:
        known = OWN if not template else template if template in TEMPLATES else EDITED
        self.choice.setCurrentText(known)
        self.editor.setPlainText(TEMPLATES.get(template, template))

    def _take_choice(self) -> None:
        """Another template of the list: its text is shown, to read or to go on from."""
        name = self.choice.currentText()
        if name == EDITED:
            self.editor.setFocus()
            return
        self._show_text(TEMPLATES.get(name, self._own))
        self._typing.stop()
        self._set("" if name == OWN else name)

    def _show_text(self, text: str) -> None:
        """Put a text into the editor that nobody has typed."""
        if text != self.editor.toPlainText():
            self.editor.blockSignals(True)
            self.editor.setPlainText(text)
            self.editor.blockSignals(False)

    def _follow(self) -> None:
        """The worker has answered: it also knows the text of the model's own template, to go on from."""
        if self._inquiry.state == "known" and self._inquiry.answer is not None:
            self._own = self._inquiry.answer["own_template"]
        if self.choice.currentText() == OWN:
            self._show_text(self._own)
        self._judge()

    def _typed(self) -> None:
        self.choice.setCurrentText(EDITED)
        self._typing.start()

    def _take_text(self) -> None:
        """The text that was typed."""
        if self.choice.currentText() != EDITED:
            return
        self._typing.stop()
        self._set(self.editor.toPlainText())

    def _set(self, template: str) -> None:
        problem = ""
        try:
            self._scratch.set("data.template", template)
        except UserError as error:
            problem = error.text
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self._judge()

    def _judge(self) -> None:
        """A template that is none, or that fails on the data, cannot be taken."""
        self.take.setEnabled(not self.problem.text() and self._inquiry.state != "failed")
