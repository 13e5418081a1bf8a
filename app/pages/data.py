"""Data: what the model learns from, how it is read, and what is wrong with it before a run is wasted on it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from PySide6.QtCore import QPoint, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from app.errors import show_error
from app.models.inquiry import Inquiry
from app.models.mapping import likely
from app.models.packs import PACKS, chosen, missing, pack_of
from app.pages.page import Page
from app.widgets import EmptyState, Notice, Panel, ghost, plain, primary
from app.widgets.beside import Beside
from app.widgets.data_checks import DataChecks
from app.widgets.data_counts import DataCounts
from app.widgets.data_options import DataOptions
from app.widgets.example_view import ExamplePanel
from app.widgets.mapping_dialog import MappingDialog
from app.widgets.scroll import scrolled
from app.widgets.source_list import Source, SourceList
from app.widgets.stack import Stack
from app.widgets.template_dialog import TemplateDialog
from app.widgets.token_panel import TokenPanel
from app.widgets.waiting import WaitingView
from app.words import number, plural
from core.data.readers import KINDS
from core.errors import UserError

_SIDE, _LOW = 360, 260
_COLUMNS, _TASK = "data.columns", "Set task"
"""What failures name which a mapping of columns, or else another task, could mend."""
_DEPENDS = ("data.", "model.path", "seed", "task")
"""What the reading of data depends on."""
_RECENT_SHOWN = 4
_FILES = f"Data ({' '.join(f'*{ending}' for kind in KINDS for ending in kind.endings)} *.gz);;All files (*)"


class DataPage(Page):
    """Sources and options at the left; counts, checks and examples at the right."""

    key: ClassVar[str] = "data"
    title: ClassVar[str] = "Data"
    wide = False

    def make(self) -> Iterator[None]:
        """The panels, one after another, then their places."""
        context = self.context
        self._document = context.document
        self._shown_path = ""
        self.inspection = Inquiry(context.document, context.jobs, "inspect_data", depends=_DEPENDS, parent=self)
        self.next = primary("Next: Layers", lambda: context.go("layers"))
        self.add_action(self.next)
        self.sources = SourceList()
        self.options = DataOptions(context.document)
        yield
        self.counts = DataCounts()
        self.checks = DataChecks(context.document)
        self.examples = ExamplePanel()
        yield
        self.preview = Inquiry(
            context.document, context.jobs, "preview_data",
            depends=(*_DEPENDS, "train.batch", "train.accumulate"), needs_model=True, parent=self,
        )  # fmt: skip
        self.tokens = TokenPanel(self.preview)
        self.reading = WaitingView("Reading the data")
        self.note = Notice()
        yield
        self._lay_out()
        yield
        self._connect()
        self._show_sources()
        self._show_state()

    @property
    def complete(self) -> bool:
        """Whether data is chosen and nothing is known that keeps a run from starting with it."""
        inspection = self.inspection
        return bool(self._document.config.data.path) and inspection.state != "failed" and not self._blocked

    @property
    def _blocked(self) -> bool:
        """Whether a problem is known that a run cannot start with."""
        answer = self.inspection.answer if self.inspection.state == "known" else None
        return answer is not None and any(problem["blocking"] for problem in answer["problems"])

    def showEvent(self, event: QShowEvent) -> None:
        """Now somebody looks: ask what is not known yet."""
        super().showEvent(event)
        self.inspection.wake()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: ask nothing more."""
        super().hideEvent(event)
        self.inspection.sleep()

    # Making

    def _lay_out(self) -> None:
        self._columns = Beside()
        self._columns.add(self._side(), width=_SIDE)
        self._columns.add(self._main(), 1)
        self._columns.turned.connect(self._known.show_whole)
        self.body.addWidget(self._columns, 1)

    def _side(self) -> QWidget:
        """The panels at the left, which scroll where the window is low."""
        inner = QWidget()
        rows = QVBoxLayout(inner)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(16)
        where = Panel("Source")
        where.add_control(ghost("", self.choose_folder, icon="folder", name="Choose a folder of files…"))
        where.add_control(plain("Choose a file…", self.choose_file, icon="file"))
        where.add(self.sources)
        rows.addWidget(where)
        rows.addWidget(self.options)
        rows.addStretch(1)
        return scrolled(inner)

    def _main(self) -> QWidget:
        """What is known, or why nothing is."""
        known = QWidget()
        rows = QVBoxLayout(known)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(16)
        rows.addWidget(self.note)
        rows.addWidget(self.counts)
        rows.addWidget(self.checks)
        rows.addWidget(self._looks())
        rows.addStretch(1)
        self.empty = EmptyState(
            "No data is chosen yet.", "table", ("Choose a file…", self.choose_file),
            hint="Drop a file on the window, or begin with one of the packs at the left.",
        )  # fmt: skip
        self.failed = EmptyState("", "table", ("Try again", self.inspection.again))
        self.unknown = EmptyState("", "table", ("Say which column is which…", self.map_columns))
        self._known = scrolled(known)
        for area in (self, self._known):
            area.verticalScrollBar().rangeChanged.connect(self._size_looks)
        self.examples.text.document().documentLayout().documentSizeChanged.connect(self._size_looks)
        self._views = {
            "nothing": self.empty, "reading": self.reading, "known": self._known, "failed": self.failed,
            "unknown": self.unknown,
        }  # fmt: skip
        holder = QWidget()
        self._stack = Stack()
        holder.setLayout(self._stack)
        for view in self._views.values():
            self._stack.addWidget(view)
        return holder

    def _looks(self) -> QWidget:
        """The examples as they stand in the data, and as the model will see them."""
        self._holder = holder = QWidget()
        self._look = QStackedLayout(holder)
        for panel, text, other in ((self.examples, "As tokens", 1), (self.tokens, "As text", 0)):
            panel.add_control(plain(text, partial(self.show_as, other), name=f"Show the examples {text.lower()}"))
            self._look.addWidget(panel)
        return holder

    def _connect(self) -> None:
        self.sources.picked.connect(self.choose)
        self.options.mapping_wanted.connect(self.map_columns)
        self.options.template_wanted.connect(self.edit_template)
        self.checks.row_wanted.connect(self.show_row)
        self.checks.model_wanted.connect(lambda: self.context.go("model"))
        self._document.changed.connect(self._follow)
        self.inspection.changed.connect(self._show_state)
        self.inspection.progress.connect(self._show_progress)

    # What the user does

    def choose_file(self) -> None:
        """Ask for a file of examples."""
        present = self._document.config.data.path
        start = str(Path(present).parent) if present and not pack_of(present) else ""
        path, _ = QFileDialog.getOpenFileName(self, "Choose the data", start, _FILES)
        if path:
            self.choose(path)

    def choose_folder(self) -> None:
        """Ask for a folder of files, or one that the `datasets` library has saved."""
        if path := QFileDialog.getExistingDirectory(self, "Choose a folder of data"):
            self.choose(path)

    def choose(self, path: str) -> None:
        """Take a file or a pack as the data."""
        pack = pack_of(path)
        if pack is not None:
            self._document.update(pack.chosen(), f"Choose {pack.name}")
        elif path != self._document.config.data.path:
            self._document.update(chosen(path), f"Choose {Path(path).name}")
            self._document.remember("data", path)
        self._show_sources()

    def map_columns(self) -> None:
        """Ask for the columns, then the user which is which."""
        try:
            self.context.jobs.ask(
                "data_columns", {"config": self._document.config.to_dict()},
                # Not at once: a dialog runs a loop of its own, in which the jobs must go on being looked at.
                done=lambda found: QTimer.singleShot(0, self, lambda: self._ask_mapping(found)),
                failed=lambda text, hint, _: show_error(UserError(text, hint=hint), self.window()),
            )  # fmt: skip
        except UserError as error:
            show_error(error, self.window())

    def _ask_mapping(self, found: dict[str, Any]) -> None:
        report = self.inspection.answer if self.inspection.state == "known" else None
        config, columns = self._document.config, found["columns"]
        kind = report["format"] if report is not None else likely(config.task, columns)
        dialog = MappingDialog(columns, config.data, kind, self.window())
        if dialog.exec():
            self._document.update(dialog.values(), "Map columns and roles")
        dialog.deleteLater()

    def edit_template(self) -> None:
        """Choose or write the chat template."""
        dialog = TemplateDialog(self._document.config, self.context.jobs, self.window())
        if dialog.exec():
            self._document.update({"data.template": dialog.template}, "Choose the chat template")
        dialog.deleteLater()

    def show_as(self, look: int) -> None:
        """Show the examples as text (0) or as tokens (1)."""
        self._look.setCurrentIndex(look)
        self._size_looks()
        (self.examples.text, self.tokens.view)[look].setFocus()
        QTimer.singleShot(0, self, self._scroll_to_looks)  # once they have the height that they take now

    def _scroll_to_looks(self) -> None:
        """Put the examples at the top of what is in sight."""
        bar = self._scrolls.verticalScrollBar()
        bar.setValue(bar.value() + self._holder.mapTo(self._scrolls, QPoint()).y())

    def show_row(self, file: str, row: int) -> None:
        """Show the example of a row: as text where that is in front and the row among the first, else as tokens."""
        text = self._look.currentIndex() == 0 and self.examples.find_row(file, row)
        if not text:
            self.tokens.find_row(file, row)
        self.show_as(0 if text else 1)

    # What the page shows

    @property
    def _scrolls(self) -> QScrollArea:
        """What scrolls the examples: their column, or all of the page."""
        return self if self._columns.stacked else self._known

    def _size_looks(self) -> None:
        """Tokens fill what is in sight, once one has scrolled to them; a text is as tall as it is, up to that."""
        sight = self._scrolls.viewport().height()
        wanted = min(self.examples.wanted, sight) if self._look.currentIndex() == 0 else sight
        self._holder.setFixedHeight(max(wanted, self.context.theme.px(_LOW)))

    def _follow(self, paths: frozenset[str]) -> None:
        if "data.path" in paths:
            self._show_sources()
        if any(path.startswith("data.") for path in paths):
            self._show_header()
            self.complete_changed.emit()

    def _show_sources(self) -> None:
        """The packs, the recent files, and the one chosen."""
        path = self._document.config.data.path
        absent = missing()
        packs = [Source(pack.path, pack.name, pack.about) for pack in PACKS if pack.name not in absent]
        own = [one for one in self._document.recent.get("data", ()) if not pack_of(one)][:_RECENT_SHOWN]
        if path and not pack_of(path) and path not in own:
            own = [path, *own[: _RECENT_SHOWN - 1]]
        files = [Source(one, Path(one).name, str(Path(one).parent)) for one in own]
        pack = pack_of(path)
        self.sources.show_groups([("Shipped packs", packs), ("Your files", files)], pack.path if pack else path)

    def _show_state(self) -> None:
        """Nothing, reading, known or failed."""
        inspection = self.inspection
        self._document.take_report(inspection.answer if inspection.state == "known" else None)
        path = self._document.config.data.path
        if path != self._shown_path:
            self._shown_path = path
            self.examples.start_over()
            self.tokens.start_over()
        keeps = inspection.state == "reading" and inspection.answer is not None
        failure = inspection.failure if inspection.state == "failed" else None
        unknown = failure is not None and _COLUMNS in failure.hint
        self._stack.setCurrentWidget(self._views["known" if keeps else "unknown" if unknown else inspection.state])
        self.options.setVisible(bool(path))
        self.options.show_reason(None if failure is not None else inspection.answer)
        if inspection.state == "known":
            self._show_report()
        elif failure is not None:
            self.failed.set(failure.text, failure.hint)
            other = "Its columns have other names, or it is meant for another task."
            self.unknown.set(failure.text, failure.hint if _TASK in failure.hint else other)
        self.note.setVisible(bool(self._notes()))
        self.note.set(self._notes(), tone="muted")
        self._show_progress(inspection.stage, inspection.share)
        self.complete_changed.emit()

    def _show_report(self) -> None:
        """Everything that the worker found."""
        report, data = self.inspection.answer, self._document.config.data
        assert report is not None
        self.counts.show_report(report, data.max_tokens)
        self.checks.show_problems(report["problems"], tokenised=report["tokenised"])
        self.tokens.set_cut(report["truncated"] > 0)
        self.examples.show_examples(report["first"], everything=data.train_on == "everything")

    def _show_progress(self, text: str, share: float | None) -> None:
        self.reading.show_stage(text, share)
        self._show_header()

    def _notes(self) -> str:
        """What to know on the choice of files, and whether only a part was read."""
        report = self.inspection.answer
        if report is None or self.inspection.state != "known":
            return ""
        notes = list(report["notes"])
        if report["share"] < 1:
            notes.insert(0, f"The first {number(report['rows'])} rows were looked at; a run reads all of them.")
        return " ".join(notes)

    def _show_header(self) -> None:
        path, report = self._document.config.data.path, self.inspection.answer
        pack = pack_of(path)
        name = pack.name if pack else Path(path).name
        about = ""
        if self.inspection.state == "reading":
            about = f"{self.inspection.stage}…"
        elif self.inspection.state == "known" and report is not None:
            about = plural(report["examples"], "example")
        self.set_subtitle(f"{name}   {about}".strip())
        self.next.setVisible(bool(path))
        self.next.setEnabled(self.complete)
