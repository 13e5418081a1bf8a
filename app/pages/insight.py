"""Insight: which layers matter, what to do about it, and what an adapter looks like inside.

The worker measures; nothing here needs torch. Measuring is asked for with a button, because it takes from seconds to
minutes. What comes of it stays until something else is measured, and can be turned into the next run's selection.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtWidgets import QButtonGroup, QVBoxLayout, QWidget

from app import ahead
from app.errors import show_error
from app.models.importance import Ground, Importance
from app.pages.page import Page
from app.widgets import Button, Chip, EmptyState, Notice, plain
from app.widgets.act_panel import ActPanel
from app.widgets.ask_panel import AskPanel
from app.widgets.beside import Beside
from app.widgets.importance_view import ImportanceView
from app.widgets.score_list import ScoreList
from app.widgets.score_panel import ScorePanel
from app.widgets.scroll import scrolled
from app.widgets.stack import Stack
from app.words import clock, number, plural
from core.config.edit import replaced
from core.config.naming import free_name
from core.config.run import RunConfig
from core.errors import UserError
from core.insight.importance import SCORES
from core.insight.matrices import without_matrices
from core.state import Phase

if TYPE_CHECKING:
    from app.jobs import Job
    from app.plots.anatomy import AnatomyView
    from core.insight.allocation import Proposal
    from core.store.rows import RunRow

_SIDE = 320
_OFFERED = 200
"""Runs that can be chosen: the newest; older ones are found on the Runs page and duplicated from there."""
_SETTING, _ASKED = "insight/scores", "insight/asked"
_EMPTY, _QUESTION, _RESULT = range(3)


class InsightPage(Page):
    """The question, its answer, and what follows from it."""

    key: ClassVar[str] = "insight"
    title: ClassVar[str] = "Insight"

    def make(self) -> Iterator[None]:
        """The question, then the answer; the anatomy of a run is made when somebody looks at it."""
        self._runs: list[RunRow] = []
        self._job: Job | None = None
        self._asked: dict[str, Any] = {}
        self.measured: Importance | None = None
        self.scores = ScoreList(self._remembered())
        self.ask = AskPanel()
        yield
        self.view = ImportanceView()
        yield
        self.act = ActPanel()
        self.layer = ScorePanel()
        self.trouble = Notice(tone="red")
        self.lost = Notice(tone="amber")
        self.again = plain("Measure again", self._question, name="Choose other scores, or another run")
        self.parts = {
            "layers": Chip("Which layers matter", checked=True),
            "anatomy": Chip("Anatomy of a run", name="Look inside what a run has learned"),
        }
        yield
        self._lay_out()
        yield
        self._connect()
        self._show_part()
        self._remember_answer()

    def shown(self) -> None:
        """Offer the runs that have a checkpoint by now, also of those under way, and the configuration as it is now."""
        saved = self.context.store.runs(saved=True, most=_OFFERED)
        self._runs = [row for row in saved if row.phase is not Phase.QUEUED]
        self.ask.offer(self._runs, self._configured())
        if "anatomy" in self.__dict__:
            self.anatomy.offer_runs(self._runs)
        self._source_changed()
        self._show_part()

    @cached_property
    def anatomy(self) -> AnatomyView:
        """The other part of the page."""
        for _ in ahead.plots():
            pass  # They take as long to import as all the rest of the page.
        from app.plots.anatomy import AnatomyView

        view = AnatomyView(self.context)
        self._stack.addWidget(view)
        view.offer_runs(self._runs)
        return view

    # Making

    def _lay_out(self) -> None:
        group = QButtonGroup(self)
        for chip in self.parts.values():
            group.addButton(chip)
            chip.clicked.connect(self._show_part)
            self.add_beside_title(chip)
        self.add_action(self.again)  # behind the chips, as the eye goes
        self._stack = Stack()
        self.body.addLayout(self._stack, 1)  # before its widgets: one without a parent would be a window of its own
        self.empty = EmptyState(
            "There is nothing to look into yet.", "weave", ("Choose a model", lambda: self.context.go("model")),
            hint="With a model and data the layers can be measured before anything is trained; afterwards, by what a "
            "run has learned.",
        )  # fmt: skip
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self._columns(self.trouble, self.scores, [self.ask]))
        answer = self._columns(self.lost, self.view, [self.act, self.layer])
        answer.turned.connect(self.view.map.keep_low)
        self._stack.addWidget(answer)
        self.trouble.hide()
        self.lost.hide()

    def _columns(self, notice: Notice, view: ScoreList | ImportanceView, right: list[QWidget]) -> Beside:
        """What is looked at, and beside it what is done."""
        looked_at = QWidget()
        column = QVBoxLayout(looked_at)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addWidget(notice)
        column.addWidget(view)
        column.addStretch(1)
        if isinstance(view, ImportanceView):
            view.fills.connect(lambda fills: column.setStretchFactor(view, int(fills)))
            view.fills.connect(lambda fills: column.setStretch(column.count() - 1, int(not fills)))
        inner = QWidget()
        side = QVBoxLayout(inner)
        side.setContentsMargins(0, 0, 0, 0)
        side.setSpacing(16)
        for widget in right:
            side.addWidget(widget)
        side.addStretch(1)
        content = Beside(gap=16)
        content.add(looked_at, 1)
        content.add(scrolled(inner), width=_SIDE)
        return content

    def _connect(self) -> None:
        self.scores.changed.connect(self._form_changed)
        self.ask.changed.connect(self._source_changed)
        self.ask.every.toggled.connect(lambda _: self._form_changed())
        self.ask.asked.connect(self._measure)
        self.ask.cancelled.connect(self._cancel)
        self.ask.recalled.connect(self._recall)
        self.ask.edited.connect(self._form_changed)
        self.view.score_chosen.connect(self.act.show_score)
        self.view.layer_chosen.connect(self.layer.show_layer)
        self.act.proposed.connect(self._proposed)
        self.act.taken.connect(self._use)
        self.act.queued.connect(self._queue)
        self.lost.add_button(Button("Measure again", do=self._question))
        self.context.document.model_changed.connect(self._form_changed)

    def _remembered(self) -> list[str]:
        """The scores chosen last; at first LoRA-drop's beside one that needs no training."""
        known = [member.kind for member in SCORES.members]
        value = str(self.context.settings.value(_SETTING, ""))
        return [kind for kind in value.split(",") if kind in known] or [known[0], "gradient"]

    # The question

    @property
    def _row(self) -> RunRow | None:
        """The run that is chosen to be measured; None for the present configuration."""
        return next((row for row in self._runs if row.id == self.ask.run), None)

    def _configured(self) -> str:
        model = self.context.document.model
        return f"The present configuration   {model.name}" if model is not None else "The present configuration"

    def _source_changed(self) -> None:
        row = self._row
        self.ask.offer_checkpoints(self.context.store.checkpoints(row.id) if row is not None else ())
        self._form_changed()

    def _form_changed(self) -> None:
        self.context.settings.setValue(_SETTING, ",".join(self.scores.chosen))
        problem = self._problem()
        self.ask.show_form(learned=self.scores.learned, problem=problem)
        self.ask.known.setVisible(not problem and self._is_known())

    def _is_known(self) -> bool:
        try:
            return self.context.store.answer("importance", self._body()) is not None
        except UserError:
            return False

    def _problem(self) -> str:
        """Why nothing can be measured."""
        document = self.context.document
        if not self.scores.chosen:
            return "Choose at least one score."
        row = self._row
        if row is not None:
            gone = "" if self.ask.checkpoint.count() else "The checkpoints of this run are no longer on the disk."
            return gone or without_matrices(row.config)
        if document.model is None:
            return "The present configuration has no model yet. Choose one, or measure a run."
        if not document.config.data.path:
            return "The present configuration has no data yet. Choose some, or measure a run."
        problem = without_matrices(document.config)
        return problem or ("" if self.ask.every.isChecked() or document.plans else "No layer is chosen yet.")

    def _question(self) -> None:
        """Back to what to measure."""
        self.measured = None
        self._show_part()
        self.ask.measure.setFocus()

    def _show_part(self) -> None:
        """The part that its chip says: of the layers the answer where there is one, else the question."""
        layers = self.parts["layers"].isChecked()
        self.again.setVisible(layers and self.measured is not None)
        if not self._runs and self.context.document.model is None and self.measured is None:
            self._stack.setCurrentIndex(_EMPTY)
        elif not layers:
            self._stack.setCurrentWidget(self.anatomy)
        else:
            self._stack.setCurrentIndex(_QUESTION if self.measured is None else _RESULT)
        for chip in self.parts.values():
            chip.setVisible(self._stack.currentIndex() != _EMPTY)
        self.parts["anatomy"].setVisible(bool(self._runs))
        self.set_subtitle(self._subtitle() if self._stack.currentIndex() == _RESULT else "")
        self.wide = self._stack.currentIndex() != _QUESTION
        self.fit()

    # Measuring

    def _body(self) -> dict[str, Any]:
        """What the worker is asked; `as_of` tells apart what is asked again of a run that has gone on."""
        row = self._row
        body: dict[str, Any] = {"scores": self.scores.chosen, **self.ask.request()}
        if row is not None:
            return {**body, "as_of": row.state.checkpoint}
        return {**body, "config": self._tried(self.context.document.config).to_dict()}

    def _measure(self) -> None:
        try:
            body = self._body()
            self._asked = body
            self._job = self.context.jobs.ask(
                "importance", body, progress=self.ask.show_progress, done=self._done, failed=self._failed,
                cancelled=self._cancelled,
            )  # fmt: skip
        except UserError as error:
            show_error(error, self.window())
            return
        self.trouble.hide()
        self.ask.show_progress("Waiting for the background worker", None)
        self._show_working(True)

    def _tried(self, config: RunConfig) -> RunConfig:
        """The present configuration on every linear layer, where that is wanted."""
        if not self.ask.every.isChecked():
            return config
        return replaced(config, {"adapter.layers": "all-linear", "adapter.ranks": {}, "adapter.alphas": {}})

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.ask.stage.setText("Cancelling")

    def _done(self, result: dict[str, Any]) -> None:
        self._show_working(False)
        self.context.settings.setValue(_ASKED, json.dumps(self._asked))
        self._show_answer(self._asked, result)

    def _recall(self) -> None:
        """Show what was found when just this was asked before."""
        try:
            self._asked = self._body()
        except UserError:
            return
        known = self.context.store.answer("importance", self._asked)
        if known is not None and known.result is not None:
            self._done(known.result)

    def _remember_answer(self) -> None:
        """The measurement that was on show when the window was closed, or before something else was measured."""
        try:
            body = json.loads(str(self.context.settings.value(_ASKED, "")))
            known = self.context.store.answer("importance", body)
            if known is not None and known.result is not None:
                self._show_answer(body, known.result)
        except (ValueError, KeyError, UserError):
            self.context.settings.remove(_ASKED)

    def _show_answer(self, body: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Show what was found for a job's body."""
        if run := body.get("run"):
            row = self.context.store.run(run)
            self._show_measured(Importance.of(result, name=row.name, config=row.config, run=run))
        else:
            self._show_measured(Importance.of(result, name="", config=RunConfig.from_dict(body["config"])))

    def _show_measured(self, measured: Importance) -> None:
        """The answer, and what can be done with it."""
        self.measured = measured
        self.layer.show_measured(measured)
        self.view.show_measured(measured)
        self.lost.hide()
        try:
            self.act.show_ground(Ground(measured))
        except UserError as error:
            self.lost.set(error.text, hint=error.hint, tone="amber")
            self.lost.show()
        self.act.setVisible(self.lost.isHidden())
        self._show_part()

    def _failed(self, text: str, hint: str, traceback: str) -> None:
        self._show_working(False)
        self.trouble.set(text, hint=hint, tone="red", details=traceback)
        self.trouble.show()

    def _cancelled(self) -> None:
        self._show_working(False)
        self.trouble.set("The measurement was cancelled.", tone="muted")
        self.trouble.show()

    def _show_working(self, working: bool) -> None:
        if not working:
            self._job = None
        self.ask.show_working(working)
        for box in self.scores.boxes.values():
            box.setEnabled(not working)

    def _subtitle(self) -> str:
        found = self.measured
        if found is None:
            return ""
        told = {"run": f"{found.name}, step {number(found.step)}", "probe": "after a short probe"}
        sample = plural(found.examples, "example")
        return f"{told.get(found.source, 'before any training')}   {sample}, {clock(found.seconds)}"

    # Acting

    def _proposed(self, proposal: Proposal | None) -> None:
        self.view.show_proposal(proposal)

    @property
    def _base(self) -> RunConfig:
        """What the next run is like but for its layers: what was measured, or what has become of it since."""
        measured, now = self.measured, self.context.document.config
        assert measured is not None
        same = not measured.name and now.model.path == measured.config.model.path
        return now if same else measured.config

    def _use(self) -> None:
        """The configuration takes what is proposed: one step that can be undone."""
        measured, proposal, document = self.measured, self.act.proposal, self.context.document
        if measured is None or proposal is None:
            return
        text = f"Keep {plural(len(proposal.plans), 'layer')}"
        try:
            if self._base is document.config:
                document.update(proposal.changes, text)
            else:
                document.begin_from(proposal.applied(measured.config), text)
        except UserError as error:
            show_error(error, self.window())
            return
        self.context.go("layers")

    def _queue(self) -> None:
        """The next run is made and waits for its turn; it will be compared with what was measured."""
        measured, proposal = self.measured, self.act.proposal
        if measured is None or proposal is None:
            return
        base = self._base
        name = free_name(f"{base.name}-{self.act.told}", self.context.document.taken())
        try:
            config = replaced(proposal.applied(base), {"name": name})
            self.context.actions.queue(config, against=measured.run or self._alike(base))
        except UserError as error:
            show_error(error, self.window())

    def _alike(self, base: RunConfig) -> str:
        """The newest run of this model and data; empty where there is none."""
        same = (base.model.path, base.data.path)
        return next((row.id for row in self._runs if (row.config.model.path, row.config.data.path) == same), "")
