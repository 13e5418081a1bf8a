"""How data is read: the task, the shape with its reason, and what is learned of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.document import Document
from app.forms.choice import Choice, ChoiceEdit
from app.forms.field import Field
from app.forms.form import Form, bind
from app.widgets.buttons import plain
from app.widgets.flow import Flow
from app.widgets.labels import label
from app.widgets.panel import Panel
from core.config.run import DataConfig, RunConfig
from core.data.formats import FORMATS

_OPTIONS = ("format", "train_on", "max_tokens", "held_out", "held_out_path", "packing")
_WRITTEN = ("causal-lm", "preference")
"""Tasks in which a model writes, so that templates, masks and packing matter."""


class DataOptions(Panel):
    """Forms on the document; options that mean nothing for the task are not shown."""

    mapping_wanted = Signal()
    template_wanted = Signal()

    def __init__(self, document: Document) -> None:
        super().__init__("How it is read")
        self._document = document
        self.task: Form[RunConfig] = Form(RunConfig, only=["task"])
        self.form: Form[DataConfig] = Form(DataConfig, only=_OPTIONS, own={"format": _shapes})
        self.reason = label("", "hint", wrap=True)
        self.template = plain("Template…", self.template_wanted.emit, name="Chat template…")
        ways = Flow()
        ways.add(plain("Columns and roles…", self.mapping_wanted.emit))
        ways.add(self.template)
        rows = self.form.layout()
        assert isinstance(rows, QVBoxLayout)
        rows.insertWidget(1, self.reason)
        for widget in (self.task, self.form, ways):
            self.add(widget)
        bind(self.task, document)
        bind(self.form, document, "data")
        document.changed.connect(lambda _: self._show_fitting())
        self._show_fitting()

    def show_reason(self, report: Mapping[str, Any] | None) -> None:
        """Say which shape the rows were read in and why; None where that is not known."""
        self.reason.setVisible(report is not None)
        if report is not None:
            chosen = self._document.config.data.format != "auto"
            shape = f"Read as {report['format_label']}"
            self.reason.setText(f"{shape}, as you chose." if chosen else f"{shape}. {report['reason']}")

    def _show_fitting(self) -> None:
        """Show the options that mean something."""
        config = self._document.config
        writes = config.task in _WRITTEN
        self.form.rows["held_out"].setVisible(not config.data.held_out_path)
        for name in ("train_on", "packing"):
            self.form.rows[name].setVisible(writes)
        self.template.setEnabled(writes)


def _shapes(field: Field) -> QWidget:
    """The shapes that data comes in, with what a row of each looks like."""
    automatic = Choice("auto", "Automatic", field.help)
    return ChoiceEdit([automatic, *(Choice(m.kind, _capital(m.label), m.looks) for m in FORMATS.members)])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
