"""Looking inside runs: what is wanted of which run, asked of the worker, and the figures that come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from app.errors import show_error
from app.plots.figure_panel import FigurePanel
from app.widgets import Chip, EmptyState, Notice, ProgressLine, danger, label, primary
from app.widgets.flow import Flow
from app.widgets.moments import Moments
from core.errors import UserError
from core.figures.figure import Lines
from core.figures.wire import decode

if TYPE_CHECKING:
    from app.context import Context
    from app.jobs import Job
    from core.store.rows import RunRow

_MOST_CURVES = 4


@dataclass(frozen=True)
class What:
    """Something to look at.

    Attributes:
        text, name: of its chip, for the eye and in full.
        says: one sentence on what one will see.
        figures: those that are shown, in reading order; the first has the most room.
        pair: whether it compares two runs.
        moments: whether it is about one checkpoint at a time.
    """

    text: str
    name: str
    says: str
    figures: tuple[str, ...]
    pair: bool = False
    moments: bool = True


WHATS: Mapping[str, What] = {
    "spectra": What(
        "Spectrum", "Singular values and effective rank",
        "The singular values of what each adapter adds, and how much of the given rank is used.",
        ("singular_values", "effective_rank"),
    ),
    "amplified": What(
        "Amplification", "What the update amplifies",
        "Whether the update stresses directions that the base weight has but does not use.",
        ("factor", "amplification"),
    ),
    "movement": What(
        "Length and direction", "Change of length against change of direction",
        "How the rows of each weight have turned and grown, at every checkpoint.",
        ("movement", "by_layer_trend"), moments=False,
    ),
    "subspaces": What(
        "Shared subspace", "Which directions two runs share",
        "Whether two runs (other ranks, seeds or methods) have found the same directions.",
        ("phi", "diagonal", "shared"), pair=True,
    ),
    "agreement": What(
        "Agreement", "Where the updates of two runs agree",
        "Where the updates of two runs point the same way.", ("agreement",), pair=True,
    ),
}  # fmt: skip


class AnatomyView(QWidget):
    """One question at a time. It asks the worker when told to, and keeps what it was told until it asks again."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._job: Job | None = None
        self._frames: list[dict[str, Any]] = []
        self.panels: dict[str, FigurePanel] = {}
        self.whats: dict[str, Chip] = {}
        self.run, self.other = QComboBox(), QComboBox()
        self.look = primary("Look", self._look, name="Look into this run")
        self.cancel = danger("Cancel", self._cancel)
        self.stage = label("", "label")
        self.progress = ProgressLine(height=4, name="Progress of looking")
        self.trouble = Notice(tone="red")
        self.waiting = EmptyState("", "curve")
        self.every = QCheckBox("Every checkpoint")
        self.moments = Moments()
        self._lay_out()
        self._show_working(False)
        self.trouble.hide()
        self._what_changed()

    @property
    def what(self) -> str:
        """The key of what is asked."""
        return next(key for key, chip in self.whats.items() if chip.isChecked())

    def offer_runs(self, rows: Sequence[RunRow]) -> None:
        """Offer these runs; what was chosen stays chosen."""
        before = (self.run.currentData(), self.other.currentData())
        for place, (box, kept) in enumerate(zip((self.run, self.other), before, strict=True)):
            box.blockSignals(True)
            box.clear()
            for row in rows:
                box.addItem(f"{row.name}   {row.method}   {row.model}", row.id)
            box.setCurrentIndex(max(box.findData(kept), min(place, len(rows) - 1)))
            box.blockSignals(False)
        if self.other.currentIndex() == self.run.currentIndex() and len(rows) > 1:
            self.other.setCurrentIndex(0 if self.run.currentIndex() else 1)
        if (self.run.currentData(), self.other.currentData()) != before:
            self._forget()
        self._show_form()

    # Making

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(12)
        chips, group = Flow(), QButtonGroup(self)
        for key, what in WHATS.items():
            self.whats[key] = chip = Chip(what.text, name=what.name, checked=key == "spectra")
            group.addButton(chip)
            chip.clicked.connect(self._what_changed)
            chips.add(chip)
        rows.addWidget(chips)
        bar = QHBoxLayout()
        bar.setSpacing(10)
        self.run.setAccessibleName("Run to look into")
        self.other.setAccessibleName("Run to compare with")
        self.between = label("and", "label")
        self.every.setToolTip("Look at every checkpoint, to move through them afterwards")
        self.every.toggled.connect(lambda _: self._forget())
        self.moments.chosen.connect(self._show_moment)
        for box in (self.run, self.other):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.currentIndexChanged.connect(lambda _: self._forget())
        bar.addWidget(self.run, 1)
        bar.addWidget(self.between)
        bar.addWidget(self.other, 1)
        bar.addWidget(self.every)
        bar.addWidget(self.look)
        bar.addWidget(self.cancel)
        rows.addLayout(bar)
        rows.addWidget(self.stage)
        rows.addWidget(self.progress)
        rows.addWidget(self.trouble)
        rows.addWidget(self.moments)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self.waiting)
        self._figures = QWidget()
        self._grid = QGridLayout(self._figures)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(16)
        self._stack.addWidget(self._figures)
        rows.addWidget(holder, 1)

    # Asking

    def _what_changed(self) -> None:
        """Another question: nothing is shown until it is answered."""
        self._forget()
        self._show_form()

    def _show_form(self) -> None:
        """Its second run where it needs one, and whether it can be asked."""
        what, enough = WHATS[self.what], self.run.count() > 1
        self.other.setVisible(what.pair)
        self.between.setVisible(what.pair)
        self.every.setVisible(what.moments)
        self.look.setEnabled(self._job is None and self.run.count() > 0 and (enough or not what.pair))
        hint = "" if enough or not what.pair else "This needs a second run with a checkpoint."
        self.waiting.set(what.says, hint)

    def _forget(self) -> None:
        """Take away figures that are no longer of what is chosen."""
        self.trouble.hide()
        self.moments.show_steps(())
        self._stack.setCurrentIndex(0)

    def _look(self) -> None:
        what = WHATS[self.what]
        runs = [self.run.currentData(), *([self.other.currentData()] if what.pair else [])]
        every = what.moments and self.every.isChecked()
        body = {"what": self.what, "runs": runs, "checkpoint": "all" if every else "best"}
        self.trouble.hide()
        try:
            self._job = self._context.jobs.ask(
                "insight", body, progress=self._show_progress, done=self._done, failed=self._failed,
                cancelled=self._cancelled,
            )  # fmt: skip
        except UserError as error:
            show_error(error, self.window())
            return
        self._show_progress("Waiting for the background worker", None)
        self._show_working(True)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.stage.setText("Cancelling")

    def _show_progress(self, text: str, done: float | None) -> None:
        self.stage.setText(text)
        self.progress.set(done)

    def _done(self, result: dict[str, Any]) -> None:
        self._end()
        what, frames = WHATS[result["what"]], decode(result["frames"])
        self._frames = [_shown(what, frame["figures"]) for frame in frames]
        self._show_figures(self._frames[-1])
        self.moments.show_steps([frame["step"] for frame in frames])

    def _failed(self, text: str, hint: str, traceback: str) -> None:
        self._end()
        self.trouble.set(text, hint=hint, tone="red", details=traceback)
        self.trouble.show()

    def _cancelled(self) -> None:
        self._end()

    def _end(self) -> None:
        self._job = None
        self._show_working(False)
        self.look.setEnabled(True)

    def _show_working(self, working: bool) -> None:
        for shown in (self.stage, self.progress, self.cancel):
            shown.setVisible(working)
        self.look.setVisible(not working)
        for control in (self.run, self.other, self.every, *self.whats.values()):
            control.setEnabled(not working)

    # Showing

    def _show_moment(self, place: int) -> None:
        """Another checkpoint: every figure moves together."""
        for name, figure in self._frames[place].items():
            self.panels[name].show_figure(_readable(figure))

    def _show_figures(self, figures: Mapping[str, Any]) -> None:
        """One figure fills the room; of several the first takes the left, the others the right."""
        for panel in self.panels.values():
            self._grid.removeWidget(panel)
            panel.deleteLater()
        self.panels = {name: FigurePanel(_readable(figure)) for name, figure in figures.items()}
        said: set[str] = set()
        for panel in self.panels.values():
            panel.help.setVisible(panel.help.text() not in said)
            said.add(panel.help.text())
        others = len(self.panels) - 1
        for place, panel in enumerate(self.panels.values()):
            if place == 0:
                self._grid.addWidget(panel, 0, 0, max(others, 1), 1)
            else:
                self._grid.addWidget(panel, place - 1, 1)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1 if others else 0)
        for row in range(self._grid.rowCount()):
            self._grid.setRowStretch(row, 1 if row < max(others, 1) else 0)
        self._stack.setCurrentIndex(1)


def _shown(what: What, figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of an answer in reading order; the trend of the whole run stands above that of each layer."""
    found = {name: figures[name] for name in what.figures}
    if "by_layer_trend" in found:
        whole, each = figures["trend"], figures["by_layer_trend"]
        values = np.concatenate([whole.values, each.values])
        found["by_layer_trend"] = replace(each, rows=("all layers", *each.rows), values=values)
    return found


def _readable(figure: Any) -> Any:
    """As many curves as can be told apart in the room there is; they come in the order of how far they moved."""
    if isinstance(figure, Lines) and len(figure.series) > _MOST_CURVES:
        return replace(figure, series=figure.series[:_MOST_CURVES])
    return figure
