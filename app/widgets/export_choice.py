"""The form that a run is exported in, and what that form leaves to be chosen: a rank, a base, a precision."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QComboBox, QFormLayout, QHBoxLayout, QRadioButton, QVBoxLayout, QWidget

from app.forms.field import field_of
from app.forms.number import NumberEdit
from app.models import exports
from app.style.theme import Theme
from app.widgets.labels import label
from core.config.run import AdapterConfig, RunConfig

_INDENT = 28
"""Where a hint stands: under its radio button's text, in unscaled pixels."""


class ExportChoice(QWidget):
    """Radio buttons for the forms; below them only what the chosen one asks."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._config: RunConfig | None = None
        self.forms = {key: QRadioButton(name) for key, (name, _) in exports.FORMS.items()}
        self.hints = {key: label(says, "hint", wrap=True) for key, (_, says) in exports.FORMS.items()}
        self.rank = NumberEdit(field_of(AdapterConfig, "rank"), width=64)
        self.rank_means = label("", "hint")
        self.onto, self.precision = QComboBox(), QComboBox()
        self.onto_means = label("", "hint", wrap=True)
        self._lay_out()
        self.forms["merged"].setChecked(True)
        for radio in self.forms.values():
            radio.toggled.connect(lambda on: self._form_changed() if on else None)
        self.onto.currentIndexChanged.connect(lambda _: self._say_base())

    @property
    def form(self) -> str:
        """The key of the chosen form."""
        return next(key for key, radio in self.forms.items() if radio.isChecked())

    def body(self) -> dict[str, Any]:
        """What a job is to be told of it."""
        found: dict[str, Any] = {"to": self.form}
        if self._config is not None and exports.asks_rank(self.form, self._config):
            found["rank"] = self.rank.value()
        if self._config is not None and exports.asks_base(self.form, self._config):
            found["onto"] = self.onto.currentData()
        return {**found, "precision": self.precision.currentData()} if self.form == "gguf" else found

    def show_run(self, config: RunConfig) -> None:
        """Offer what can be made of a run; a form that cannot says why."""
        self._config = config
        for key, radio in self.forms.items():
            objection = exports.objection(key, config)
            radio.setEnabled(not objection)
            self.hints[key].setText(objection or exports.FORMS[key][1])
            radio.setAccessibleDescription(self.hints[key].text())
        if not self.forms[self.form].isEnabled():
            self.forms["merged"].setChecked(True)
        self.rank.set_value(exports.whole_rank(config))
        self._show_options()

    def _indent(self) -> None:
        for hint in self.hints.values():
            hint.setContentsMargins(Theme.current().px(_INDENT), 0, 0, 4)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        group = QButtonGroup(self)
        for key, radio in self.forms.items():
            group.addButton(radio)
            column.addWidget(radio)
            column.addWidget(self.hints[key])
        Theme.current().changed.connect(self._indent)
        self._indent()
        self._options = options = QFormLayout()
        options.setContentsMargins(0, 6, 0, 0)
        options.setHorizontalSpacing(12)
        options.setVerticalSpacing(8)
        self._rank_line = QWidget()
        line = QHBoxLayout(self._rank_line)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(12)
        line.addWidget(self.rank)
        line.addWidget(self.rank_means, 1)
        for key, (name, _) in exports.ONTO.items():
            self.onto.addItem(name, key)
        for key, name in exports.PRECISIONS.items():
            self.precision.addItem(name, key)
        rows = (
            ("Rank", self.rank, self._rank_line),
            ("Merge", self.onto, self.onto),
            ("Precision", self.precision, self.precision),
        )
        for name, box, row in rows:
            box.setAccessibleName(name)
            options.addRow(label(name, "label"), row)
        options.insertRow(2, "", self.onto_means)
        column.addLayout(options)
        self._say_base()

    def _form_changed(self) -> None:
        self._show_options()
        self.changed.emit()

    def _show_options(self) -> None:
        config, form = self._config, self.form
        rank = config is not None and exports.asks_rank(form, config)
        base = config is not None and exports.asks_base(form, config)
        shown = {self._rank_line: rank, self.onto: base, self.onto_means: base, self.precision: form == "gguf"}
        for box, visible in shown.items():
            self._options.setRowVisible(box, visible)
        if config is not None:
            self.rank_means.setText(exports.rank_means(form, config))

    def _say_base(self) -> None:
        self.onto_means.setText(exports.ONTO[self.onto.currentData()][1])
