"""Export: out of a run, something that other programs open; written whole or not at all, and checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from app.models.exports import kept_figure
from app.pages.page import Page
from app.plots.figure_panel import FigurePanel
from app.widgets import EmptyState, Panel, StatRow, label, plain, primary
from app.widgets.beside import Beside
from app.widgets.choice_box import ChoiceBox
from app.widgets.export_choice import ExportChoice
from app.widgets.export_result import ExportResult
from app.widgets.job_control import JobControl
from app.widgets.scroll import scrolled
from app.widgets.stack import Stack
from app.words import number
from core.errors import UserError

if TYPE_CHECKING:
    from core.store.rows import RunRow

_OFFERED = 200
"""Runs that can be chosen: the newest, and the one on show; an older one is put on show from the Runs page."""
_MOST_ROOM = 1000
"""Stretch of what takes all the room that is left in a column."""
_FIGURE_HEIGHT = 200
"""Least height of the figure beside a result, in unscaled pixels."""


class ExportPage(Page):
    """Choose a run and a form, write it, see what was measured."""

    key: ClassVar[str] = "export"
    title: ClassVar[str] = "Export"
    wide = False

    def make(self) -> Iterator[None]:
        """What can be chosen, then its places."""
        context = self.context
        self._runs: list[RunRow] = []
        self._suggested = ""
        self.run = ChoiceBox()
        self.checkpoint = ChoiceBox()
        self.choice = ExportChoice()
        self.out = QLineEdit()
        self.verify = QCheckBox("Verify: compare its answers with the trained model's")
        self.verify.setToolTip("Opens what was written, as a stranger would, and asks both the run's own examples")
        self.export = primary("Export", self._export)
        self.control = JobControl(
            context.jobs, self, name="Progress of the export",
            cancelled="The export was cancelled; nothing was left behind.",
        )  # fmt: skip
        self.kept: FigurePanel | None = None
        self._result: ExportResult | None = None
        yield
        self._lay_out()
        yield
        self._connect()

    def shown(self) -> None:
        """Read the runs that have something to export."""
        store = self.context.store
        chosen, watched = self._row, self.context.feed.row
        wanted = watched if watched is not None and not self.control.busy else chosen
        self._runs = store.runs(saved=True, most=_OFFERED)
        older = wanted is not None and wanted.id not in {row.id for row in self._runs}
        if wanted is not None and older and wanted.deleted is None and wanted.state.checkpoint is not None:
            self._runs.append(wanted)
        self.run.blockSignals(True)
        self.run.clear()
        for row in self._runs:
            self.run.addItem(f"{row.name}   {row.method}   {row.model}", row.id)
        place = self.run.findData(wanted.id) if wanted is not None else -1
        self.run.setCurrentIndex(max(place, 0 if self._runs else -1))
        self.run.blockSignals(False)
        self._stack.setCurrentIndex(1 if self._runs else 0)
        self._run_chosen()

    @property
    def _row(self) -> RunRow | None:
        index = self.run.currentIndex()
        return self._runs[index] if 0 <= index < len(self._runs) else None

    # Making

    def _lay_out(self) -> None:
        self._stack = Stack()
        self.body.addLayout(self._stack, 1)  # before its widgets: one without a parent would be a window of its own
        self.empty = EmptyState(
            "There is nothing to export yet.", "box", ("Go to the run", lambda: self.context.go("run")),
            hint="A run can be exported once it has saved a checkpoint.",
        )  # fmt: skip
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self._content())

    def _content(self) -> QWidget:
        """What is asked at the left; at the right where to, and what is known of it, before and afterwards."""
        columns = Beside(gap=16)
        self._about = self._about_run()
        self._known = _column(self._about)
        known = scrolled(_holder(self._known))
        columns.turned.connect(known.show_whole)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(16)
        right.addWidget(self._where())
        right.addWidget(self.control.trouble)
        right.addWidget(known, 1)
        self._asked = _column(self._what())
        columns.add(scrolled(_holder(self._asked)), 1)
        columns.add(_holder(right), 1)
        return columns

    def _what(self) -> Panel:
        panel = Panel("What to export")
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(4)
        for place, (name, box) in enumerate((("Run", self.run), ("Checkpoint", self.checkpoint))):
            box.setAccessibleName(name)
            grid.addWidget(label(name, "label"), 0, place)
            grid.addWidget(box, 1, place)
            grid.setColumnStretch(place, 3 - place)
        panel.add(grid)
        panel.body.addSpacing(6)
        panel.add(self.choice)
        return panel

    def _where(self) -> Panel:
        panel = Panel("Where to")
        self.out.setAccessibleName("Folder to make")
        self.out.setPlaceholderText("A folder that does not exist yet")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.out, 1)
        row.addWidget(plain("Choose", self._choose_folder, icon="folder", name="Choose where the folder is made"))
        panel.add(row)
        self.verify.setChecked(True)
        panel.add(self.verify)
        panel.add(self.control.stage)
        panel.add(self.control.progress)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.export)
        buttons.addWidget(self.control.cancel)
        buttons.addStretch(1)
        panel.add(buttons)
        return panel

    def _about_run(self) -> Panel:
        panel = Panel("About this run")
        names = ("Method", "Model", "Data", "Steps", "Held-out loss", "Trained parameters")
        self._facts = {name: StatRow(name) for name in names}
        for fact in self._facts.values():
            panel.add(fact)
        return panel

    def _connect(self) -> None:
        self.run.currentIndexChanged.connect(lambda _: self._run_chosen())
        self.choice.changed.connect(self._suggest)
        self.control.working.connect(self._show_working)
        self.control.done.connect(self._done)

    # Choosing

    def _run_chosen(self) -> None:
        row = self._row
        if row is None:
            return
        checkpoints = self.context.store.checkpoints(row.id)
        self.checkpoint.clear()
        if any(point.best for point in checkpoints):
            best = next(point for point in checkpoints if point.best)
            self.checkpoint.addItem(f"Best, step {number(best.step)}", "best")
        if checkpoints:
            self.checkpoint.addItem(f"Last, step {number(checkpoints[-1].step)}", "last")
        for point in reversed(checkpoints[:-1]):
            self.checkpoint.addItem(f"Step {number(point.step)}", str(point.step))
        self.export.setEnabled(bool(checkpoints) and not self.control.busy)
        self.control.trouble.set("The checkpoints of this run are no longer on the disk.", tone="amber")
        self.control.trouble.setVisible(not checkpoints)
        self.choice.show_run(row.config)
        self._show_facts(row)
        self._suggest()
        if not self.control.busy:
            self._show_result(None)

    def _show_facts(self, row: RunRow) -> None:
        state = row.state
        facts = {
            "Method": row.method, "Model": row.model, "Data": row.data,
            "Steps": f"{number(state.step)} of {number(state.steps)}" if state.steps else "imported",
            "Held-out loss": f"{row.best_loss:.3f} at best" if row.best_loss is not None else "not measured",
            "Trained parameters": number(state.trainable_parameters),
        }  # fmt: skip
        for name, text in facts.items():
            self._facts[name].set(text)

    def _suggest(self) -> None:
        """Suggest a folder beside the runs, unless the user has typed another."""
        row = self._row
        if row is None or self.out.text() not in ("", self._suggested):
            return
        base = self.context.home.root / "exports" / f"{_plain(row.name)}-{self.choice.form}"
        taken, folder = 1, base
        while folder.exists():
            taken += 1
            folder = base.with_name(f"{base.name}-{taken}")
        self._suggested = str(folder)
        self.out.setText(self._suggested)

    def _choose_folder(self) -> None:
        parent = Path(self.out.text() or self.context.home.root).parent
        if chosen := QFileDialog.getExistingDirectory(self, "Where to make the folder", str(parent)):
            folder = Path(chosen)
            # A folder with something in it is never written into: the export makes its own inside.
            name = Path(self._suggested).name
            self.out.setText(str(folder / name if any(folder.iterdir()) else folder))

    # Exporting

    def _export(self) -> None:
        row = self._row
        if row is None:
            return
        out = self.out.text().strip()
        if not out:
            self.control.refuse(UserError("No folder is named.", hint="Choose a folder that does not exist yet."))
            return
        self._show_result(None)
        self.control.ask(
            "export",
            {
                "run": row.id, **self.choice.body(), "out": out, "verify": self.verify.isChecked(),
                "checkpoint": self.checkpoint.currentData(),
            },
        )  # fmt: skip

    def _done(self, result: dict[str, Any]) -> None:
        self._show_result(result)
        self._suggested = self.out.text()  # It is taken now, whoever named it.
        self._suggest()

    def _show_result(self, result: dict[str, Any] | None) -> None:
        """Show what was exported in the place of what is known of the run; None: that again."""
        for column, shown in ((self._known, self._result), (self._asked, self.kept)):
            if shown is not None:
                column.removeWidget(shown)
                shown.deleteLater()
        self._result = self.kept = None
        self._about.setVisible(result is None)
        if result is None:
            return
        self._result = ExportResult(result)
        self._known.insertWidget(0, self._result)
        self._result.show()
        if result.get("kept"):
            self.kept = FigurePanel(kept_figure(result["kept"]))
            self.kept.tell(False)  # it has none, and a text that wraps would ask for the whole height of the list
            self.kept.setMinimumHeight(self.context.theme.px(_FIGURE_HEIGHT))
            self._asked.insertWidget(1, self.kept, _MOST_ROOM)
            self.kept.show()

    def _show_working(self, working: bool) -> None:
        self.export.setEnabled(not working)
        for widget in (self.run, self.checkpoint, self.out, self.verify, self.choice):
            widget.setEnabled(not working)


def _column(widget: QWidget) -> QVBoxLayout:
    """A column with the widget at its top and room below it."""
    column = QVBoxLayout()
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(16)
    column.addWidget(widget)
    column.addStretch(1)
    return column


def _holder(column: QVBoxLayout) -> QWidget:
    holder = QWidget()
    holder.setLayout(column)
    return holder


def _plain(name: str) -> str:
    """A name as part of a path."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip(".-") or "run"
