"""Looking inside runs: what is wanted of which run, asked of the worker, and the figures that come back.

An answer stays with the home: who asks the same of the same checkpoints again, today or after a restart, sees it at
once, and may still have it measured anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from app.models.looks import EVERY_RANK, OPTIONS, WHATS, Frames
from app.plots.figure_panel import FigurePanel
from app.widgets import Chip, EmptyState, primary
from app.widgets.choice_box import ChoiceBox
from app.widgets.flow import Flow
from app.widgets.job_control import JobControl
from app.widgets.moments import Moments
from core.errors import UserError
from core.figures.figure import Table
from core.insight.matrices import without_matrices
from core.layers import LayerInfo

if TYPE_CHECKING:
    from app.context import Context
    from core.store.rows import RunRow

_OPTION = 14
"""Letters of an option that can be read whatever the runs beside it are called."""
_ONLY_ONE_RANK = "This run was trained for its own rank only. DyLoRA trains for every rank."


class AnatomyView(QWidget):
    """One question at a time, asked of the worker when told to."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._rows: dict[str, RunRow] = {}
        self._frames: Frames | None = None
        self.panels: dict[str, FigurePanel] = {}
        self.whats: dict[str, Chip] = {}
        self.run, self.other, self.third = (ChoiceBox(alike=True) for _ in range(3))
        self.options: dict[str, ChoiceBox] = {}
        self.look = primary("Look", self._look, name="Look into this run")
        self.control = JobControl(context.jobs, self, name="Progress of looking")
        self.waiting = EmptyState("", "curve")
        self.every = QCheckBox("Every checkpoint")
        self.moments = Moments()
        self._lay_out()
        self.control.done.connect(self._show_answer)
        self.control.working.connect(self._show_working)
        self._what_changed()

    @property
    def what(self) -> str:
        """The key of what is asked."""
        return next(key for key, chip in self.whats.items() if chip.isChecked())

    @property
    def chosen(self) -> list[str]:
        """The ids of the runs that are asked about."""
        _, most = WHATS[self.what].runs
        found = [box.currentData() for box in (self.run, self.other, self.third)[:most]]
        return [run for run in found if run]

    def offer_runs(self, rows: Sequence[RunRow]) -> None:
        """Offer these runs; what was chosen stays chosen."""
        before = self.chosen
        self._rows = {row.id: row for row in rows}
        for place, box in enumerate((self.run, self.other, self.third)):
            kept = box.currentData()
            box.blockSignals(True)
            box.clear()
            if place:
                box.addItem("no other run", "")
            for row in rows:
                box.addItem(f"{row.name}   {row.method}   {row.model}", row.id)
            box.setCurrentIndex(max(box.findData(kept), 0))
            box.blockSignals(False)
        self._show_form()
        if self.chosen != before:
            self._forget()

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
        rows.addLayout(self._bar())
        for widget in (self.control.stage, self.control.progress, self.control.trouble, self.moments):
            rows.addWidget(widget)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self.waiting)
        self._figures = QWidget()
        self._grid = QGridLayout(self._figures)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(16)
        self._stack.addWidget(self._figures)
        rows.addWidget(holder, 1)

    def _bar(self) -> QHBoxLayout:
        """Which runs, with which options, and the button."""
        bar = QHBoxLayout()
        bar.setSpacing(10)
        self.every.setToolTip("Look at every checkpoint, to move through them afterwards")
        self.every.toggled.connect(lambda _: self._forget())
        self.moments.chosen.connect(self._show_moment)
        named = {self.run: "Run to look into", self.other: "Run to compare with", self.third: "Third run"}
        for box, name in named.items():
            self._set_up(box, name)
            bar.addWidget(box, 2)
        for key, (name, values) in OPTIONS.items():
            self.options[key] = box = ChoiceBox(alike=True)
            for text, value in values.items():
                box.addItem(text, value)
            self._set_up(box, name)
            box.setMinimumContentsLength(_OPTION)
            bar.addWidget(box, 1)
        for widget in (self.every, self.look, self.control.cancel):
            bar.addWidget(widget)
        return bar

    def _set_up(self, box: ChoiceBox, name: str) -> None:
        box.setAccessibleName(name)
        box.setToolTip(name)
        box.currentIndexChanged.connect(lambda _: self._run_changed())

    # Asking

    def _what_changed(self) -> None:
        """Another question: what was answered before is shown again."""
        self._show_form()
        self._forget()

    def _run_changed(self) -> None:
        self._show_form()
        self._forget()

    def _show_form(self) -> None:
        """Its other runs and options where it has some, and whether it can be asked."""
        what = WHATS[self.what]
        least, most = what.runs
        self._choose_second(least)
        self.other.setVisible(most > 1)
        self.third.setVisible(most > 2)
        self.every.setVisible(what.moments)
        for key, box in self.options.items():
            box.setVisible(key in what.options)
        problem = self._problem(least)
        self.look.setEnabled(not self.control.busy and not problem)
        self.waiting.set(what.says, problem)

    def _choose_second(self, least: int) -> None:
        """A question about two runs is about two from the start."""
        if least > 1 and not self.other.currentData() and self.run.count() > 1:
            self.other.blockSignals(True)
            self.other.setCurrentIndex(2 if self.run.currentIndex() == 0 else 1)
            self.other.blockSignals(False)

    def _problem(self, least: int) -> str:
        """Why it cannot be asked."""
        if len(self.chosen) < least:
            return "This needs a second run with a checkpoint." if self.run.count() else "There is no run yet."
        configs = [self._rows[run].config for run in self.chosen]
        try:
            if self.what == EVERY_RANK and configs:
                schedule = configs[0].adapter.axis("rank_schedule")
                return "" if EVERY_RANK in schedule.provides else _ONLY_ONE_RANK
            refused = map(without_matrices, configs if WHATS[self.what].matrices else ())
            return next(filter(None, refused), "")
        except UserError as error:
            return error.text

    def _question(self) -> tuple[str, dict[str, Any]]:
        """The kind of the job and its body; `as_of` tells apart what is asked again of a run that has gone on."""
        what, runs = WHATS[self.what], self.chosen
        as_of = [self._rows[run].state.checkpoint for run in runs]
        if self.what == EVERY_RANK:
            return EVERY_RANK, {"run": runs[0], "checkpoint": "best", "as_of": as_of}
        options = {key: self.options[key].currentData() for key in what.options}
        every = what.moments and self.every.isChecked()
        body = {"what": what.what or self.what, "runs": runs, "checkpoint": "all" if every else "best"}
        return "insight", {**body, **{key: value for key, value in options.items() if value}, "as_of": as_of}

    def _forget(self) -> None:
        """Take away figures that are no longer of what is chosen; what was found before is shown."""
        self.control.trouble.hide()
        self.moments.show_steps(())
        self._stack.setCurrentIndex(0)
        if not self.chosen or self.control.busy or self._problem(WHATS[self.what].runs[0]):
            return
        known = self._context.store.answer(*self._question())
        if known is not None and known.result is not None:
            self._show_answer(known.result)

    def _look(self) -> None:
        self.control.ask(*self._question())

    def _show_working(self, working: bool) -> None:
        self.look.setVisible(not working)
        self.look.setEnabled(True)
        controls = (self.run, self.other, self.third, self.every, *self.options.values(), *self.whats.values())
        for control in controls:
            control.setEnabled(not working)

    # Showing

    def _show_answer(self, result: dict[str, Any]) -> None:
        frames = result["frames"]
        self._frames = Frames(WHATS[self.what], frames)
        self._offer_layers(frames[-1]["figures"].get("layers", ()))
        self._show_figures(self._frames[-1])
        self.moments.show_steps([frame["step"] for frame in frames])

    def _offer_layers(self, layers: Sequence[Mapping[str, Any]]) -> None:
        """The layers of the answer, for the one that is drawn in full; what was chosen stays chosen."""
        box = self.options["layer"]
        kept = box.currentData()
        box.blockSignals(True)
        while box.count() > 1:
            box.removeItem(1)
        for layer in layers:
            info = LayerInfo(**layer)
            box.addItem(info.suffix if info.block is None else f"block {info.block}, {info.suffix}", info.name)
        box.setCurrentIndex(max(box.findData(kept), 0))
        box.blockSignals(False)

    def _show_moment(self, place: int) -> None:
        """Another checkpoint: every figure moves together."""
        for name, figure in self._frames[place].items() if self._frames is not None else ():
            self.panels[name].show_figure(figure)

    def _show_figures(self, figures: Mapping[str, Any]) -> None:
        """The figures of the answer, each with its help where no other has said it."""
        for panel in self.panels.values():
            self._grid.removeWidget(panel)
            panel.hide()
            panel.deleteLater()
        self.panels = {name: FigurePanel(figure) for name, figure in figures.items()}
        said: set[str] = set()
        beside = self._beside > 1
        # Figures side by side keep one height: what is said of all of them stands below.
        for panel in reversed(self.panels.values()) if beside else self.panels.values():
            panel.tell(panel.help.text() not in said)
            said.add(panel.help.text())
        self._arrange()
        self._stack.setCurrentIndex(1)

    @property
    def _beside(self) -> int:
        """How many runs' figures stand side by side."""
        return sum(name.startswith("movement") for name in self.panels)

    def _arrange(self) -> None:
        """Figures of several runs side by side above the rest; else the first at the left, the others at the right."""
        panels = list(self.panels.values())
        beside = self._beside
        for line in range(self._grid.rowCount()):
            self._grid.setRowStretch(line, 0)
        for column in range(self._grid.columnCount()):
            self._grid.setColumnStretch(column, 0)
        if beside > 1:
            for column, panel in enumerate(panels[:beside]):
                self._grid.addWidget(panel, 0, column)
                self._grid.setColumnStretch(column, 1)
            self._grid.addWidget(panels[-1], 1, 0, 1, beside)
            self._grid.setRowStretch(0, 5)
            self._grid.setRowStretch(1, 4)
            return
        others = max(len(panels) - 1, 1)
        self._grid.addWidget(panels[0], 0, 0, others, 1)
        for line, panel in enumerate(panels[1:]):
            self._grid.addWidget(panel, line, 1)
        table = any(isinstance(panel.figure, Table) for panel in panels[1:])
        self._grid.setColumnStretch(0, 5)
        self._grid.setColumnStretch(1, (9 if table else 5) if len(panels) > 1 else 0)
        for line in range(others):
            self._grid.setRowStretch(line, 1)
