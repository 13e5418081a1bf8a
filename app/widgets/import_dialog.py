"""Importing an adapter that PEFT has written: where it is, which model it belongs to, and what keeps it from coming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QDialog, QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from app.jobs import Jobs
from app.style.theme import Theme
from app.widgets.buttons import plain, primary
from app.widgets.job_control import JobControl
from app.widgets.labels import label
from core.errors import UserError

_WIDTH = 640
_SAYS = (
    "Adapters of PEFT's types LoRA (also rsLoRA and DoRA), AdaLoRA, VeRA, LoHa and LoKr become a run of the history, "
    "to look into, train further, merge or export."
)


class ImportDialog(QDialog):
    """Two places and a name; it closes once the adapter is a run.

    Attributes:
        result_of: what the import has answered; None until then.
    """

    def __init__(self, jobs: Jobs, parent: QWidget, *, adapter: str = "", model: str = "") -> None:
        super().__init__(parent)
        self.result_of: dict[str, Any] | None = None
        self.adapter, self.model, self.name = QLineEdit(adapter), QLineEdit(model), QLineEdit()
        self.take = primary("Import", self._ask)
        self.close_button = plain("Close", self.reject)
        self.control = JobControl(jobs, self, name="Progress of the import")
        self.control.done.connect(self._done)
        self.control.working.connect(self._show_working)
        self.setWindowTitle("Import an adapter")
        self.setMinimumWidth(Theme.current().px(_WIDTH))
        self._lay_out()

    def done(self, result: int) -> None:
        """Nobody waits for an import whose dialog is closed."""
        if self.control.job is not None:
            self.control.job.cancel()
        super().done(result)

    def _lay_out(self) -> None:
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 20, 24, 20)
        outer.setSpacing(14)
        outer.addWidget(label(_SAYS, "label", wrap=True))
        form = QFormLayout()
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(10)
        self.adapter.setPlaceholderText("The folder with adapter_config.json")
        self.model.setPlaceholderText("The model that it was trained on")
        self.name.setPlaceholderText("The folder's name")
        for name, line in (("Adapter", self.adapter), ("Base model", self.model), ("Name", self.name)):
            line.setAccessibleName(name)
            form.addRow(label(name, "label"), line if line is self.name else self._with_chooser(name, line))
        outer.addLayout(form)
        for widget in (self.control.stage, self.control.progress, self.control.trouble):
            outer.addWidget(widget)
        outer.addStretch(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        for button in (self.control.cancel, self.close_button, self.take):
            button.setAutoDefault(button is self.take)
            buttons.addWidget(button)
        outer.addLayout(buttons)

    def _with_chooser(self, name: str, line: QLineEdit) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(line, 1)
        chooser = plain("Choose", lambda: self._choose(name, line), icon="folder", name=f"{name}: choose a folder")
        chooser.setAutoDefault(False)
        row.addWidget(chooser)
        return row

    def _choose(self, name: str, line: QLineEdit) -> None:
        if chosen := QFileDialog.getExistingDirectory(self, name, str(Path(line.text()).parent)):
            line.setText(chosen)

    def _ask(self) -> None:
        body = {"adapter": self.adapter.text().strip(), "model": self.model.text().strip(), "name": self.name.text()}
        if not body["adapter"]:
            self.control.refuse(UserError("No adapter is named.", hint="Choose the folder with adapter_config.json."))
        elif not body["model"]:
            self.control.refuse(UserError("No base model is named.", hint="Choose the one that it was trained on."))
        else:
            self.control.ask("import", body)
        self._make_room()

    def _done(self, result: dict[str, Any]) -> None:
        self.result_of = result
        self.accept()

    def _show_working(self, working: bool) -> None:
        for widget in (self.adapter, self.model, self.name, self.take):
            widget.setEnabled(not working)
        self._make_room()

    def _make_room(self) -> None:
        """Grow for what is said now; a text that wraps tells its height only once it has its width."""
        QTimer.singleShot(0, self, self.adjustSize)
