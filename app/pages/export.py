"""Export: out of a run, something that other programs open; written whole or not at all, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QRadioButton,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from app.errors import show_error
from app.pages.page import Page
from app.widgets import EmptyState, Notice, Panel, ProgressLine, StatRow, danger, label, plain, primary
from app.widgets.export_result import ExportResult
from app.words import number
from core.errors import UserError

if TYPE_CHECKING:
    from app.context import Context
    from app.jobs import Job
    from core.store.rows import RunRow

FORMS = {
    "adapter": ("Adapter (PEFT)", "A small folder that is loaded on top of the base model."),
    "merged": ("Merged model", "A whole model folder that plain transformers opens, with the change added in."),
}
"""What can be exported: key to its name and one sentence."""


class ExportPage(Page):
    """Choose a run and a form, write it, see what was measured."""

    key: ClassVar[str] = "export"
    title: ClassVar[str] = "Export"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._runs: list[RunRow] = []
        self._job: Job | None = None
        self._suggested = ""
        self.run = QComboBox()
        self.checkpoint = QComboBox()
        self.forms = {key: QRadioButton(name) for key, (name, _) in FORMS.items()}
        self.out = QLineEdit()
        self.verify = QCheckBox("Verify: open what was written and compare its answers with the trained model's")
        self.export = primary("Export", self._export)
        self.cancel = danger("Cancel", self._cancel)
        self.progress = ProgressLine(height=4, name="Progress of the export")
        self.stage = label("", "label")
        self.trouble = Notice(tone="red")
        self._lay_out()
        self._connect()
        self._show_working(False)

    def shown(self) -> None:
        """Read the runs that have something to export."""
        store = self.context.store
        chosen = self._row.id if self._row is not None else None
        watched = self.context.feed.row
        wanted = watched.id if watched is not None and self._job is None else chosen
        self._runs = [row for row in store.runs() if row.state.checkpoint is not None]
        self.run.blockSignals(True)
        self.run.clear()
        for row in self._runs:
            self.run.addItem(f"{row.name}   {row.method}   {row.model}", row.id)
        self.run.setCurrentIndex(max(self.run.findData(wanted), 0 if self._runs else -1))
        self.run.blockSignals(False)
        self._stack.setCurrentIndex(1 if self._runs else 0)
        self._run_chosen()

    @property
    def _row(self) -> RunRow | None:
        index = self.run.currentIndex()
        return self._runs[index] if 0 <= index < len(self._runs) else None

    # Making

    def _lay_out(self) -> None:
        self._stack = QStackedLayout()
        self.body.addLayout(self._stack, 1)  # before its widgets: one without a parent would be a window of its own
        self.empty = EmptyState(
            "There is nothing to export yet.", "box", ("Go to the run", lambda: self.context.go("run")),
            hint="A run can be exported once it has saved a checkpoint.",
        )  # fmt: skip
        content = QWidget()
        columns = QHBoxLayout(content)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(16)
        left = QVBoxLayout()
        left.setSpacing(16)
        left.addWidget(self._what())
        left.addWidget(self._where())
        left.addWidget(self.trouble)
        left.addStretch(1)
        columns.addLayout(left, 1)
        right = QVBoxLayout()
        self._about = self._about_run()
        self._result: ExportResult | None = None
        self._right = right
        right.addWidget(self._about)
        right.addStretch(1)
        columns.addLayout(right, 1)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)

    def _what(self) -> Panel:
        panel = Panel("What to export")
        for name, box in (("Run", self.run), ("Checkpoint", self.checkpoint)):
            box.setAccessibleName(name)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            panel.add(label(name, "label"))
            panel.add(box)
        panel.body.addSpacing(6)
        group = QButtonGroup(self)
        for key, radio in self.forms.items():
            group.addButton(radio)
            radio.setAccessibleDescription(FORMS[key][1])
            panel.add(radio)
            hint = label(FORMS[key][1], "hint", wrap=True)
            hint.setContentsMargins(28, 0, 0, 6)
            panel.add(hint)
        self.forms["merged"].setChecked(True)
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
        panel.add(self.stage)
        panel.add(self.progress)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.export)
        buttons.addWidget(self.cancel)
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
        for radio in self.forms.values():
            radio.toggled.connect(lambda _: self._suggest())

    # Choosing

    def _run_chosen(self) -> None:
        row = self._row
        if row is None:
            return
        checkpoints = self.context.store.checkpoints(row.id)
        self.checkpoint.clear()
        if any(point.best for point in checkpoints):
            best = next(point for point in checkpoints if point.best)
            self.checkpoint.addItem(f"Best held-out loss (step {number(best.step)})", "best")
        if checkpoints:
            self.checkpoint.addItem(f"Last (step {number(checkpoints[-1].step)})", "last")
        for point in reversed(checkpoints[:-1]):
            self.checkpoint.addItem(f"Step {number(point.step)}", str(point.step))
        self.export.setEnabled(bool(checkpoints) and self._job is None)
        if not checkpoints:
            self.trouble.set("The checkpoints of this run are no longer on the disk.", tone="amber")
        self.trouble.setVisible(not checkpoints)
        self._show_facts(row)
        self._suggest()
        if self._job is None:
            self._show_result(None)

    def _show_facts(self, row: RunRow) -> None:
        state = row.state
        facts = {
            "Method": row.method, "Model": row.model, "Data": row.data,
            "Steps": f"{number(state.step)} of {number(state.steps)}",
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
        base = self.context.home.root / "exports" / f"{_plain(row.name)}-{self._form}"
        taken, folder = 1, base
        while folder.exists():
            taken += 1
            folder = base.with_name(f"{base.name}-{taken}")
        self._suggested = str(folder)
        self.out.setText(self._suggested)

    @property
    def _form(self) -> str:
        return next(key for key, radio in self.forms.items() if radio.isChecked())

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
        self.trouble.hide()
        body = {
            "run": row.id, "to": self._form, "out": self.out.text().strip(), "verify": self.verify.isChecked(),
            "checkpoint": self.checkpoint.currentData(),
        }  # fmt: skip
        try:
            if not body["out"]:
                raise UserError("No folder is named.", hint="Choose a folder that does not exist yet.")
            self._job = self.context.jobs.ask(
                "export", body, progress=self._show_progress, done=self._done, failed=self._failed,
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

    def _show_progress(self, text: str, share: float | None) -> None:
        self.stage.setText(text)
        self.progress.set(share)

    def _done(self, result: dict[str, Any]) -> None:
        self._job = None
        self._show_working(False)
        self._show_result(ExportResult(result))
        self._suggest()

    def _show_result(self, result: ExportResult | None) -> None:
        """Show what was exported in the place of what is known of the run."""
        if self._result is not None:
            self._right.removeWidget(self._result)
            self._result.deleteLater()
        self._result = result
        self._about.setVisible(result is None)
        if result is not None:
            self._right.insertWidget(0, result)
            result.show()

    def _failed(self, text: str, hint: str, traceback: str) -> None:
        self._job = None
        self._show_working(False)
        self.trouble.set(text, hint=hint, tone="red", details=traceback)
        self.trouble.show()

    def _cancelled(self) -> None:
        self._job = None
        self._show_working(False)
        self.trouble.set("The export was cancelled; nothing was left behind.", tone="muted")
        self.trouble.show()

    def _show_working(self, working: bool) -> None:
        self.export.setEnabled(not working)
        self.cancel.setVisible(working)
        self.stage.setVisible(working)
        self.progress.setVisible(working)
        for widget in (self.run, self.checkpoint, self.out, self.verify, *self.forms.values()):
            widget.setEnabled(not working)


def _plain(name: str) -> str:
    """A name as part of a path."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip(".-") or "run"
