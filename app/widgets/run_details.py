"""What one run is, beside the table of runs: its settings in a few rows, its tags and notes to be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLineEdit, QPlainTextEdit

from app.forms.number import written
from app.style.theme import Theme
from app.widgets.labels import label
from app.widgets.panel import Panel
from app.widgets.stat_row import StatRow
from app.words import number
from core.config.combine import ranked
from core.errors import UserError
from core.state import Phase

if TYPE_CHECKING:
    from core.store.rows import RunRow

_SAVE_AFTER = 600
"""Milliseconds after the last key at which notes are saved."""


class RunDetails(Panel):
    """One run's name, settings, tags and notes."""

    renamed = Signal(str, str)
    tagged = Signal(str, object)
    noted = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._run: RunRow | None = None
        self._saved = ""
        self.name = QLineEdit()
        self.name.setAccessibleName("Name of the run")
        self.name.editingFinished.connect(self._rename)
        self.rows = {
            key: StatRow(key) for key in ("Rank, alpha", "Layers", "Learning rate", "Steps", "Trained", "Seed")
        }
        self.failure = label("", "hint", tone="red", wrap=True, select=True)
        self.failure.setAccessibleName("Why the run failed")
        self.overruled = label("", "hint", tone="amber", wrap=True, select=True)
        self.overruled.setAccessibleName("Checks that were overruled")
        self.tags = QLineEdit()
        self.tags.setPlaceholderText("Tags, separated by commas")
        self.tags.setAccessibleName("Tags, separated by commas")
        self.tags.editingFinished.connect(self._tag)
        self.notes = QPlainTextEdit()
        self.notes.setPlaceholderText("Notes")
        self.notes.setAccessibleName("Notes")
        self.notes.setTabChangesFocus(True)
        Theme.current().changed.connect(self._scale)
        self._scale()
        self._timer = QTimer(self, singleShot=True, interval=_SAVE_AFTER)
        self._timer.timeout.connect(self.save)
        self.notes.textChanged.connect(self._timer.start)
        self.add(self.name)
        self.add(self.failure)
        for row in self.rows.values():
            self.add(row)
        self.add(self.overruled)
        self.add(label("Tags and notes", "label"))
        self.add(self.tags)
        self.add(self.notes, 1)

    def show_run(self, run: RunRow) -> None:
        """Show a run; what was typed for the one before is saved first."""
        same = self._run is not None and self._run.id == run.id
        if not same:
            self.save()
        self._run = run
        why = (run.state.message, run.state.hint) if run.state.phase is Phase.FAILED else ()
        self.failure.setText(" ".join(filter(None, why)))
        self.failure.setVisible(bool(self.failure.text()))
        self._show_settings(run)
        if same:
            return
        self.name.setText(run.name)
        self.name.setCursorPosition(0)  # its beginning is seen, however long it is
        self.tags.setText(", ".join(run.tags))
        self.notes.blockSignals(True)
        self.notes.setPlainText(run.notes)
        self._saved = run.notes
        self.notes.blockSignals(False)

    def save(self) -> None:
        """Save the notes now, where they have changed."""
        self._timer.stop()
        text = self.notes.toPlainText()
        if self._run is not None and text != self._saved:
            self._saved = text
            self.noted.emit(self._run.id, text)

    def _show_settings(self, run: RunRow) -> None:
        self.overruled.hide()
        try:
            config = run.config
        except UserError as error:
            for row in self.rows.values():
                row.set("–")
            self.rows["Layers"].set(error.text, tone="amber")
            return
        layers = config.adapter.layers
        texts = {
            "Rank, alpha": f"{config.adapter.rank}, {config.adapter.alpha:g}" if ranked(config.adapter) else "–",
            "Layers": layers.replace("-", " ") if isinstance(layers, str) else ", ".join(layers),
            "Learning rate": written(config.train.learning_rate),
            "Steps": f"{number(run.state.step)} of {number(config.train.steps)}" if config.data.path else "imported",
            "Trained": f"{number(run.state.trainable_parameters)} parameters"
            if run.state.trainable_parameters
            else "–",
            "Seed": str(config.seed),
        }
        for key, text in texts.items():
            self.rows[key].set(text)
        reasons = [f"Overruled {check}: {reason}" for check, reason in config.data.overrides.items()]
        self.overruled.setText("\n".join(reasons))
        self.overruled.setVisible(bool(reasons))

    def _scale(self) -> None:
        self.notes.setMinimumHeight(Theme.current().px(48))

    def _rename(self) -> None:
        name = self.name.text().strip()
        if self._run is not None and name and name != self._run.name:
            self.renamed.emit(self._run.id, name)

    def _tag(self) -> None:
        tags = tuple(dict.fromkeys(part.strip() for part in self.tags.text().split(",") if part.strip()))
        if self._run is not None and tags != self._run.tags:
            self.tagged.emit(self._run.id, tags)
