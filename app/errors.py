"""How the window says that something went wrong: a sentence, what to do, and the traceback one click further.

`install` puts the last net under the window: whatever no page has caught is shown instead of being lost, and the
window stays open. A `UserError` is the world's failure and has no traceback; anything else is a bug and has one.
"""

from __future__ import annotations

import sys
import traceback
from types import TracebackType

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QApplication, QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from app.widgets import Button, label
from core.errors import Cancelled, UserError


class ErrorDialog(QDialog):
    """A sentence, a hint, and details folded away; `said` is all of it."""

    def __init__(self, text: str, *, hint: str = "", details: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Rankloom")
        self.setMinimumWidth(480)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(12)
        layout.addWidget(label(text, "heading", wrap=True, select=True))
        if hint:
            layout.addWidget(label(hint, "label", wrap=True, select=True))
        self.details = QPlainTextEdit(details)
        self.details.setReadOnly(True)
        self.details.setAccessibleName("Details")
        self.details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.details.setMinimumSize(640, 240)
        self.details.hide()
        layout.addWidget(self.details, 1)
        row = QHBoxLayout()
        self.show_details = Button("Show details", "ghost", do=self._toggle)
        if details:
            row.addWidget(self.show_details)
        self.said = "\n\n".join(part for part in (text, hint, details) if part)
        row.addWidget(Button("Copy", "ghost", do=lambda: QGuiApplication.clipboard().setText(self.said)))
        row.addStretch(1)
        close = Button("Close", "primary", do=self.accept)
        close.setDefault(True)
        row.addWidget(close)
        layout.addLayout(row)
        close.setFocus()  # only now is it one of the dialog's
        self._fit()

    def _toggle(self) -> None:
        self.details.setVisible(not self.details.isVisible())
        self.show_details.setText("Hide details" if self.details.isVisible() else "Show details")
        self._fit()

    def _fit(self) -> None:
        """Be as large as what is shown: the lines of a text that wraps are known only once its width is."""
        layout = self.layout()
        assert layout is not None
        layout.activate()
        width = max(self.minimumWidth(), layout.totalMinimumSize().width())
        self.resize(width, layout.totalHeightForWidth(width))


def show_error(error: BaseException, parent: QWidget | None = None) -> None:
    """Show an error without stopping the event loop: the dialog stands until it is closed."""
    if isinstance(error, Cancelled):
        return
    if isinstance(error, UserError):
        dialog = ErrorDialog(error.text, hint=error.hint, parent=parent or QApplication.activeWindow())
    else:
        dialog = ErrorDialog(
            "Something went wrong inside Rankloom. Trainings are not affected: they run on their own.",
            hint="The details say where; the window can still be used.",
            details="".join(traceback.format_exception(error)),
            parent=parent or QApplication.activeWindow(),
        )
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()


def install() -> None:
    """Show whatever nobody has caught, and keep it on stderr."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        if not isinstance(error, UserError):
            traceback.print_exception(kind, error, trace, file=sys.stderr)
        show_error(error)

    sys.excepthook = hook
