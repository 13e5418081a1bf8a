"""Method: what is trained and how, and the button that starts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from app.errors import show_error
from app.forms.form import Form, bind
from app.pages.page import Page
from app.widgets import Notice, Panel, plain, primary
from app.widgets.beginning_notice import BeginningNotice
from app.widgets.columns import Columns
from app.widgets.method_panel import MethodPanel
from app.widgets.rate_curve import RateCurve
from app.widgets.scroll import scrolled
from core.adapters.names import DEFAULTS, method
from core.config import files
from core.config.combine import ranked, scaled
from core.config.run import AdapterConfig, ModelConfig, RunConfig, TrainConfig
from core.errors import UserError

SIZE = ("rank", "alpha", "dropout")
LEARNING = ("steps", "batch", "accumulate", "learning_rate", "schedule", "warmup", "clip", "optimizer")
WATCHING = ("evaluate_every", "checkpoint_every", "keep", "measure_every", "prompts", "sample_tokens")
MACHINE = ("device", "gradient_checkpointing")

_CHOSEN_ON = {
    "model.path": ("model", "Choose a model"),
    "data.path": ("data", "Choose data"),
    "adapter.layers": ("layers", "Choose layers"),
}
"""What can be missing to the page where it is chosen, and what the way there is called."""
_MAP = frozenset({"adapter.layers", "adapter.ranks", "adapter.alphas"})
"""What the map of layers edits."""


class MethodPage(Page):
    """The method above, and below it its size, the run, the training and what is watched of it."""

    key: ClassVar[str] = "method"
    title: ClassVar[str] = "Method"
    wide = False
    scrolls: ClassVar[bool] = False

    def make(self) -> Iterator[None]:
        """The method, then the other forms column by column."""
        context = self.context
        self._document = context.document
        self.add_action(plain("Open run file", self._open, icon="folder"))
        self.add_action(plain("Save run file", self._save, icon="download"))
        self.start = primary("Start", self._start, name="Start a run of this configuration (Ctrl+Return)")
        self.add_action(self.start)
        self.trouble = Notice(tone="red")
        self._missing = ""
        self.choose = plain("Choose a model", lambda: self.context.go(self._missing))
        self.trouble.add_button(self.choose)
        self.warning = Notice(tone="amber")
        self.method = MethodPanel()
        yield
        self.curve = RateCurve()
        yield from self._lay_out()
        self.method.named.connect(self._name)
        self.method.member_chosen.connect(self._choose)
        self._document.changed.connect(self._follow)
        self._document.problems_changed.connect(self._check)
        self._show()

    @property
    def complete(self) -> bool:
        """Whether it could start."""
        return self.start.isEnabled()

    # Making

    def _lay_out(self) -> Iterator[None]:
        inner = QWidget()
        rows = QVBoxLayout(inner)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(16)
        size, learning, watching, run = (Panel(title) for title in ("Size", "Learning", "Watching", "Run"))
        self.extent = self._form(size, AdapterConfig, SIZE, "adapter")
        self._form(learning, TrainConfig, LEARNING, "train")
        learning.add(self.curve)
        yield
        self._form(watching, TrainConfig, WATCHING, "train")
        self._form(run, RunConfig, ("name", "seed"))
        self._form(run, ModelConfig, ("compute",), "model")
        self._form(run, TrainConfig, MACHINE, "train")
        yield
        columns = Columns(least=290, counts=(1, 2, 3))
        for panels in ((size, run), (learning,), (watching,)):
            column = QWidget()
            stacked = QVBoxLayout(column)
            stacked.setContentsMargins(0, 0, 0, 0)
            stacked.setSpacing(16)
            for panel in panels:
                stacked.addWidget(panel)
            columns.add(column)
        rows.addWidget(self.method)
        rows.addWidget(columns)
        rows.addStretch(1)
        self.body.addWidget(self.trouble)
        self.body.addWidget(self.warning)
        self.body.addWidget(BeginningNotice(self._document, self.context.store))
        self.body.addWidget(scrolled(inner), 1)
        yield

    def _form(self, panel: Panel, part: type[Any], only: tuple[str, ...], prefix: str = "") -> Form[Any]:
        form: Form[Any] = Form(part, only=only)
        bind(form, self._document, prefix)
        panel.add(form)
        return form

    # Doing

    def _name(self, name: str) -> None:
        """Take a known name: every axis follows it again."""
        cleared = {f"adapter.{axis}": None for axis in DEFAULTS}
        self._document.update(
            {**cleared, "adapter.method": name, "model.storage": "auto"}, f"Method {method(name).label}"
        )
        self.method.light(self._document.config)  # The chip of the present name would go out on a second click.

    def _choose(self, axis: str, member: Any) -> None:
        if axis == "storage":
            self._document.set("model.storage", member.kind)
        else:
            self._document.set(f"adapter.{axis}", member)

    def _start(self) -> None:
        if self._document.check():
            return
        try:
            self.context.actions.start(self._document.config)
        except UserError as error:
            show_error(error, self)

    def _open(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Open a run file", "", "Run files (*.yaml *.yml)")
        if not chosen:
            return
        try:
            self._document.replace(files.read(Path(chosen)), f"Open {Path(chosen).name}")
        except UserError as error:
            show_error(error, self)

    def _save(self) -> None:
        suggested = f"{self._document.config.name}.yaml"
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the run file", suggested, "Run files (*.yaml)")
        if not chosen:
            return
        try:
            files.write(self._document.config, Path(chosen))
        except (UserError, OSError) as error:
            show_error(error if isinstance(error, UserError) else UserError(f"{chosen}: {error.strerror}."), self)

    # Showing

    def _follow(self, paths: frozenset[str]) -> None:
        """Show what changed; strokes on the map of layers change nothing here."""
        if not paths <= _MAP:
            self._show()

    def _show(self) -> None:
        config = self._document.config
        self.method.show_config(config)
        self.curve.show_train(config.train)
        self.extent.rows["rank"].setEnabled(ranked(config.adapter))
        self.extent.rows["alpha"].setEnabled(scaled(config.adapter))
        rank = f"rank {config.adapter.rank}   " if ranked(config.adapter) else ""
        self.set_subtitle(f"{config.method_label}   {rank}{config.train.steps} steps")
        self._check()

    def _check(self) -> None:
        """Say what keeps the run from starting, and what it should be warned of."""
        blocking, warnings = self._document.blocking(), self._document.warnings
        self.trouble.setVisible(bool(blocking))
        self.warning.setVisible(bool(warnings))
        for notice, tone, found in ((self.trouble, "red", blocking), (self.warning, "amber", warnings)):
            if found:
                more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
                everything = "\n".join(f"{problem.text} {problem.hint}".strip() for problem in found)
                notice.set(
                    found[0].text + more, hint=found[0].hint, tone=tone, details=everything if len(found) > 1 else ""
                )
        self._missing, text = _CHOSEN_ON.get(blocking[0].path if blocking else "", ("", ""))
        self.choose.setText(text)
        self.choose.setVisible(bool(text))
        self.start.setEnabled(not blocking)
        self.start.setToolTip(blocking[0].text if blocking else "Start a run of this configuration (Ctrl+Return)")
        self.complete_changed.emit()
