"""Model: what is on this machine to be trained, and what the chosen one is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import QItemSelectionModel, QModelIndex
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from app.errors import show_error
from app.models.models import ModelsList
from app.pages.page import Page
from app.starting_point import is_small, starting_point
from app.widgets import EmptyState, Notice, Panel, ProgressLine, StatRow, danger, label, plain, primary
from app.widgets.beside import Beside
from app.widgets.stack import Stack
from app.widgets.two_lines import two_lines_view
from app.words import number, share, size
from core.errors import UserError
from core.models.catalog import embedded_model, find_models
from core.models.conversion import converted

if TYPE_CHECKING:
    from app.jobs import Job
    from core.models.info import ModelInfo

FACTS = ("Architecture", "Parameters", "Adaptable", "Blocks", "Width", "Heads", "Vocabulary", "Context", "Stored as",
         "Size on disk", "Chat template")  # fmt: skip


class ModelPage(Page):
    """The list of models, and the chosen one in figures."""

    key: ClassVar[str] = "model"
    title: ClassVar[str] = "Model"
    wide = False

    def make(self) -> Iterator[None]:
        """The list, then what is chosen of it."""
        context = self.context
        self._document = context.document
        self._job: Job | None = None
        self.add_action(plain("Open folder", self._open_folder, icon="folder"))
        self.add_action(plain("Open GGUF file", self._open_gguf, icon="file"))
        self.next = primary("Next: Data", lambda: context.go("data"))
        self.add_action(self.next)
        self.models = ModelsList()
        self.list = two_lines_view(
            "Models on this machine", line=ModelsList.LINE, word=ModelsList.ORIGIN, broken=ModelsList.BROKEN
        )
        self.list.setModel(self.models)
        self.offer = Notice(tone="accent")
        self.try_it = primary("Try it", self._try)
        self.facts = {name: StatRow(name) for name in FACTS}
        self.notes = label("", "hint", wrap=True)
        self.path = label("", "mono", wrap=True, select=True)
        self.trouble = Notice(tone="red")
        self.convert, self.cancel = plain("Convert now", self._convert), danger("Cancel", self._cancel)
        self.stage, self.progress = label("", "label"), ProgressLine(height=4, name="Progress of the conversion")
        self._lay_out()
        yield
        self._connect()
        self._show_model()

    @property
    def complete(self) -> bool:
        """Whether a model that can be read is chosen."""
        return self._document.model is not None

    def shown(self) -> None:
        """Look again at what there is."""
        extra = [Path(path).parent for path in self._document.recent.get("model", ())]
        self.models.set_found(find_models(self.context.home, extra))
        self._mark_chosen()
        self._show_offer()

    # Making

    def _lay_out(self) -> None:
        self.offer.add_button(self.try_it)
        self.body.addWidget(self.offer)
        columns = Beside()
        found = Panel("On this machine")
        found.add(self.list, 1)
        hint = label("A folder or a .gguf file can also be dropped anywhere on the window.", "hint", wrap=True)
        found.add(hint)
        columns.add(found, 3)
        columns.add(self._chosen_panel(), 2)
        self.body.addWidget(columns)
        self.body.addStretch(1)

    def _chosen_panel(self) -> Panel:
        panel = Panel("Chosen")
        self._title = panel.title
        self._stack = Stack()
        panel.add(self._stack, 1)  # before its widgets: one without a parent would be a window of its own
        self._stack.addWidget(EmptyState("No model is chosen yet.", "weave", hint="Pick one from the list."))
        content = QWidget()
        rows = QVBoxLayout(content)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(2)
        rows.addWidget(self.path)
        rows.addSpacing(8)
        for fact in self.facts.values():
            rows.addWidget(fact)
        rows.addSpacing(8)
        rows.addWidget(self.notes)
        rows.addSpacing(8)
        buttons = QHBoxLayout()
        buttons.addWidget(self.convert)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.stage, 1)
        rows.addLayout(buttons)
        rows.addWidget(self.progress)
        rows.addStretch(1)
        self._stack.addWidget(content)
        broken = QWidget()
        column = QVBoxLayout(broken)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.trouble)
        column.addStretch(1)
        self._stack.addWidget(broken)
        self._working(False)
        return panel

    def _connect(self) -> None:
        self._document.model_changed.connect(self._show_model)
        self._document.changed.connect(lambda _: self._show_offer())
        self.list.clicked.connect(self._pick)
        self.list.activated.connect(self._pick)
        self.list.selectionModel().selectionChanged.connect(self._walk)
        self.models.dataChanged.connect(lambda *_: self._mark_chosen())

    # Doing

    def _pick(self, index: QModelIndex) -> None:
        self._choose(self.models.entries[index.row()].found.path)

    def _walk(self) -> None:
        """The arrow keys have come to another; what only marks the chosen one leaves the choice alone."""
        if self.list.hasFocus():
            for index in self.list.selectedIndexes():
                self._pick(index)

    def _choose(self, path: Path) -> None:
        if str(path) != self._document.config.model.path:
            self._document.update({"model.path": str(path)}, f"Model {path.name}")
        elif self._document.model_error is not None:
            self._document.read_model()  # it may have been mended meanwhile

    def _open_folder(self) -> None:
        if chosen := QFileDialog.getExistingDirectory(self, "Open a model folder"):
            self._take(Path(chosen))

    def _open_gguf(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Open a GGUF file", "", "GGUF models (*.gguf)")
        if chosen:
            self._take(Path(chosen))

    def _take(self, path: Path) -> None:
        self._choose(path)
        if self._document.model is not None:
            self._document.remember("model", str(path))
        self.shown()

    def _try(self) -> None:
        """Fill the whole configuration from what came with the program, and go to where it starts."""
        self._document.update(starting_point(), "Starting point")
        self.context.go("method")

    def _convert(self) -> None:
        body = {"path": self._document.config.model.path}
        try:
            self._job = self.context.jobs.ask(
                "convert", body, progress=self._show_progress, done=self._converted, failed=self._not_converted
            )
        except UserError as error:
            show_error(error, self)
            return
        self._job.ended.connect(self._ended)
        self._working(True)
        self._show_progress("Waiting for the background worker", None)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _ended(self) -> None:
        self._working(False)
        self._show_model()

    def _converted(self, _: dict[str, Any]) -> None:
        self.shown()

    def _not_converted(self, text: str, hint: str, _: str) -> None:
        show_error(UserError(text, hint=hint), self)

    # Showing

    def _working(self, on: bool) -> None:
        if not on:
            self._job = None
        self.convert.setEnabled(not on)
        self.cancel.setVisible(on)
        self.progress.setVisible(on)

    def _show_progress(self, text: str, done: float | None) -> None:
        self.stage.setText(text)
        self.progress.set(done)

    def _mark_chosen(self) -> None:
        """The list shows what the document has, without that counting as a choice."""
        row = self.models.row_of(Path(self._document.config.model.path)) if self._document.config.model.path else -1
        selection = self.list.selectionModel()
        if row >= 0:
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
            selection.setCurrentIndex(self.models.index(row), flags)
        else:
            selection.clear()

    def _show_offer(self) -> None:
        config = self._document.config
        self.offer.setVisible(not config.model.path and not config.data.path)
        small = is_small(embedded_model())
        name = "the tiny model" if small else "SmolLM2, 135 million parameters"
        self.offer.set(
            f"Try it with what came along: {name} and the Devil's Dictionary.",
            hint="Everything is filled in for you; it learns on this machine alone, without a network, "
            + ("in seconds." if small else "in about two minutes on two cores."),
            tone="accent",
        )

    def _show_model(self) -> None:
        info, error = self._document.model, self._document.model_error
        self._stack.setCurrentIndex(1 if info is not None else 2 if error is not None else 0)
        self.next.setEnabled(info is not None)
        self._title.setText(info.name if info is not None else "Chosen")
        self.set_subtitle(f"{info.family}   {number(info.parameters)} parameters" if info is not None else "")
        if error is not None:
            self.trouble.set(error.text, hint=error.hint, tone="red")
        if info is not None:
            self._show_facts(info)
        self._mark_chosen()
        self.complete_changed.emit()

    def _show_facts(self, info: ModelInfo) -> None:
        adaptable = sum(layer.parameters for layer in info.adaptable)
        said = {
            "Architecture": info.architecture,
            "Parameters": number(info.parameters),
            "Adaptable": f"{number(len(info.adaptable))} matrices   {share(adaptable, info.parameters)}",
            "Blocks": number(info.blocks),
            "Width": f"{number(info.hidden)}   inner {number(info.intermediate)}",
            "Heads": f"{info.heads} of {info.head_dim}"
            + (f"   {info.kv_heads} for keys" if info.kv_heads != info.heads else ""),
            "Vocabulary": number(info.vocabulary) + ("   tied to the head" if info.tied else ""),
            "Context": f"{number(info.context)} tokens" if info.context else "not said",
            "Stored as": info.dtype,
            "Size on disk": size(info.bytes),
            "Chat template": "its own" if info.has_chat_template else "none: a plain one is used",
        }
        for name, text in said.items():
            self.facts[name].set(text)
        self.path.setText(str(info.path))
        gguf = info.kind == "gguf"
        self.notes.setText("\n".join(info.notes))
        self.notes.setVisible(bool(self.notes.text()))
        done = gguf and converted(self.context.home, info.path) is not None
        self.convert.setVisible(gguf and not done)
        self.stage.setText("Converted: runs start at once." if done else "")
