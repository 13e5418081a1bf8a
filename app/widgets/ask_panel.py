"""What the layers are measured of, and how: the right-hand side of the question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from app.forms.field import Field
from app.forms.number import NumberEdit
from app.widgets.bar import ProgressLine
from app.widgets.buttons import danger, plain, primary
from app.widgets.choice_box import ChoiceBox
from app.widgets.labels import label
from app.widgets.panel import Panel
from app.words import number

if TYPE_CHECKING:
    from core.store.rows import CheckpointRow, RunRow

PRESENT = ""
"""The source that is the present configuration, not a run."""


class AskPanel(Panel):
    """Source, sample and probe, with the button, and what the worker is busy with."""

    changed = Signal()
    """Another source was chosen."""
    asked = Signal()
    cancelled = Signal()
    recalled = Signal()
    """The user wants what was found when just this was asked before."""
    edited = Signal()
    """Another checkpoint, sample or probe was chosen."""

    def __init__(self) -> None:
        super().__init__("Measured on")
        self.source, self.checkpoint = ChoiceBox(alike=True), ChoiceBox()
        self.every = QCheckBox("Try every linear layer")
        self.sample = NumberEdit(
            Field("sample", float, "Share of the examples", unit="%", default=10.0, low=0.0, high=100.0, open_low=True),
            width=72,
        )
        self.steps = NumberEdit(Field("steps", int, "Steps of the probe", default=50, low=1), width=72)
        self.said = label("", "hint", wrap=True)
        self.problem = label("", "hint", tone="amber", wrap=True)
        self.measure = primary("Measure", self.asked.emit)
        self.known = plain(
            "Show the last answer", self.recalled.emit, name="Show what was found when this was asked before"
        )
        self.cancel = danger("Cancel", self.cancelled.emit)
        self.stage = label("", "label", wrap=True)
        self.progress = ProgressLine(height=4, name="Progress of the measurement")
        self._lay_out()
        self.show_working(False)

    @property
    def run(self) -> str:
        """The id of the run to measure; empty for the present configuration."""
        return self.source.currentData() or PRESENT

    def offer(self, rows: Sequence[RunRow], configured: str) -> None:
        """Offer these runs, and the present configuration under this name."""
        kept = self.run
        self.source.blockSignals(True)
        self.source.clear()
        self.source.addItem(configured, PRESENT)
        for row in rows:
            self.source.addItem(f"{row.name}   {row.method}   {row.model}", row.id)
        self.source.setCurrentIndex(max(self.source.findData(kept), 0))
        self.source.blockSignals(False)

    def offer_checkpoints(self, checkpoints: Sequence[CheckpointRow]) -> None:
        """Offer these of the chosen run, the best first; what was chosen stays chosen where it is still there."""
        kept = self.checkpoint.currentData()
        self.checkpoint.clear()
        if any(point.best for point in checkpoints):
            best = next(point for point in checkpoints if point.best)
            self.checkpoint.addItem(f"Best held-out loss (step {number(best.step)})", "best")
        for place, point in enumerate(reversed(checkpoints)):
            name = f"Last (step {number(point.step)})" if place == 0 else f"Step {number(point.step)}"
            self.checkpoint.addItem(name, "last" if place == 0 else point.step)
        self.checkpoint.setCurrentIndex(max(self.checkpoint.findData(kept), 0 if checkpoints else -1))

    def show_form(self, *, learned: bool, problem: str) -> None:
        """Show what matters for the source.

        Args:
            learned: whether a score looks at an adapter that has learned something.
            problem: why nothing can be measured; empty where it can.
        """
        run = bool(self.run)
        for widget in (self.checkpoint, self._checkpoint_label):
            widget.setVisible(run)
        self.every.setVisible(not run)
        self._probe.setVisible(not run and learned)
        if run:
            said = "The run's own adapter is looked at, on a sample of its data. Nothing is trained."
        elif learned:
            said = "A short probe trains an adapter on the sample; it is thrown away afterwards."
        else:
            said = "One pass over the sample; nothing is trained."
        self.said.setText(said)
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.measure.setEnabled(not problem)

    def request(self) -> dict[str, Any]:
        """How to measure, as the job wants it."""
        asked = {"sample_ratio": self.sample.value() / 100, "probe_steps": self.steps.value()}
        return {"run": self.run, "checkpoint": self.checkpoint.currentData(), **asked} if self.run else asked

    def show_progress(self, text: str, share: float | None) -> None:
        """What the worker is busy with."""
        self.stage.setText(text)
        self.progress.set(share)

    def show_working(self, working: bool) -> None:
        """While the worker measures nothing can be changed but its end."""
        for shown in (self.cancel, self.stage, self.progress):
            shown.setVisible(working)
        self.measure.setVisible(not working)
        self.known.setEnabled(not working)
        for control in (self.source, self.checkpoint, self.every, self.sample, self.steps):
            control.setEnabled(not working)

    def _lay_out(self) -> None:
        self.source.setAccessibleName("What to measure the layers of")
        self.checkpoint.setAccessibleName("Checkpoint")
        self.add(self.source)
        self._checkpoint_label = label("Checkpoint", "label")
        self.add(self._checkpoint_label)
        self.add(self.checkpoint)
        self.every.setChecked(True)
        self.every.setToolTip("Not only the layers that are chosen now")
        self.add(self.every)
        self.add(self.said)
        self._row("Sample of the data", self.sample)
        self._probe = self._row("Steps of the probe", self.steps)
        self.add(self.problem)
        self.body.addSpacing(4)
        self.add(self.stage)
        self.add(self.progress)
        self.add(self.measure)
        self.add(self.known)
        self.add(self.cancel)
        self.known.hide()
        self.checkpoint.currentIndexChanged.connect(lambda _: self.edited.emit())
        for editor in (self.sample, self.steps):
            editor.edited.connect(lambda _: self.edited.emit())
        self.source.currentIndexChanged.connect(lambda _: self.changed.emit())

    def _row(self, name: str, editor: NumberEdit) -> QWidget:
        """A named number in a row of its own."""
        editor.setAccessibleName(name)
        editor.set_value(editor.value())
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(label(name, "label"), 1)
        row.addWidget(editor)
        self.add(holder)
        return holder
