"""Run: is it learning, which layers move, will it fit, when is it done.

Everything shown is read from the store, so a run that is under way, one found again after the window was closed and
one of last year are the same page. While the page is hidden it paints nothing; it catches up when it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.errors import show_error
from app.pages.page import Page
from app.parts import Parts
from app.plots.own_figures import OwnFigures
from app.plots.panels import ChangedPanel, CurvePanel, LossPanel, NormsPanel, keep_apart, move_together
from app.plots.run_panels import RunPanels
from app.widgets import Badge, EmptyState, Notice, danger, plain, primary
from app.widgets.labels import set_property
from app.widgets.moments import Moments
from app.widgets.run_tiles import RunTiles
from app.widgets.stack import Stack
from app.widgets.status import WORDS, offer_way_on
from app.widgets.waiting import WaitingView
from app.words import number
from core.commands import Command
from core.config.combine import ranked
from core.errors import UserError
from core.events import Noticed
from core.figures.live.of_run import own_figures
from core.figures.live.of_task import LOSS_UNITS
from core.figures.ticks import span
from core.launch import LOST, last_words
from core.queue import turn
from core.state import Status

if TYPE_CHECKING:
    from core.figures.trace import Trace
    from core.store.rows import RunRow

_ENDED = (Status.FINISHED, Status.STOPPED, Status.FAILED, Status.LOST)
_DISMISSED, _REMEMBERED = "run/dismissed", 200
"""Where dismissed notices are remembered, and how many of them."""
_SAID = 2
"""Notices that are shown at once; of more, the newest, and all of them one click further."""


class RunPage(Page):
    """The run on show."""

    key: ClassVar[str] = "run"
    title: ClassVar[str] = "Run"

    def make(self) -> Iterator[None]:
        """One plot after another, then the run in them."""
        context = self.context
        self.feed = context.feed
        self._stale: set[str] = set()
        self._parts = Parts(self, self._catch_up)
        self._mark: float | None = None
        self._asked: tuple[str, Command] | None = None
        self.badge = Badge()
        self.add_beside_title(self.badge)
        self._make_buttons()
        self.tiles = RunTiles()
        self.notice, self.news = Notice(), Notice(tone="amber")
        yield
        self.loss, self.changed = LossPanel(context.settings), ChangedPanel()
        yield
        self.norms = NormsPanel(context.settings)
        yield
        own = OwnFigures()
        yield
        self.curve = CurvePanel(context.settings, own)
        self.moments = Moments("Step")
        self.starting = WaitingView("Starting the worker", "The first losses appear here as soon as they are measured.")
        yield
        self._lay_out()
        yield
        move_together([self.loss.plot, self.norms.plot, *self.curve.canvases], self._marked)
        for chooser in (self.norms.choice, self.curve.choice):
            chooser.currentIndexChanged.connect(self._keep_apart)
        self.moments.chosen.connect(self._show_moment)
        self.feed.run_changed.connect(self._changed)
        self.feed.watched.connect(self._watched)
        context.document.problems_changed.connect(self._show_empty)
        self._watched()
        yield
        yield from self._catch_up()

    @property
    def complete(self) -> bool:
        """Whether the run on show is finished."""
        return self.feed.status is Status.FINISHED

    def shown(self) -> None:
        """Catch up."""
        self._parts.now()

    # Making

    def _make_buttons(self) -> None:
        self.sample = plain("Sample", lambda: self._command(Command.SAMPLE), name="Answer the sample prompts now")
        self.checkpoint = plain("Checkpoint", lambda: self._command(Command.CHECKPOINT), name="Save a checkpoint now")
        self.pause = plain("Pause", self._pause_or_go_on)
        self.stop = danger("Stop", lambda: self._command(Command.STOP), name="Save a checkpoint, then end the run")
        self.resume = primary("Resume", self._resume)
        self.duplicate = plain("Duplicate", self._duplicate, name="Make a new configuration like this run's")
        self.export = primary("Export", lambda: self.context.go("export"))
        self.buttons = (self.sample, self.checkpoint, self.pause, self.stop, self.duplicate, self.resume, self.export)
        for button in self.buttons:
            self.add_action(button)

    def _lay_out(self) -> None:
        self._stack = Stack()
        self.body.addLayout(self._stack, 1)  # before its widgets: one without a parent would be a window of its own
        self.empty = EmptyState("There is no run yet.", "curve", ("Start a run", self._start_or_choose))
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(16)
        column.addWidget(self.notice)
        column.addWidget(self.news)
        column.addWidget(self.tiles)
        self.panels = RunPanels((self.loss, self.norms), (self.changed, self.curve))
        change = ("Change it", self._duplicate)
        self.nothing = EmptyState("It ended before anything was measured.", "broken", change)
        self._lower = Stack()
        column.addLayout(self._lower, 1)  # before its widgets: one without a parent would be a window of its own
        for view in (self.panels, self.starting, self.nothing):
            self._lower.addWidget(view)
        column.addWidget(self.moments)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)
        self.news.add_button(plain("Dismiss", self._dismiss))
        self.compare = plain("Compare", self._compare, name="Show it beside the run it was made to be compared with")
        self.notice.add_button(self.compare)

    # Following

    def _watched(self) -> None:
        """Another run is on show."""
        self._parts.drop()
        if self.feed.row is not None:
            own = own_figures(self.feed.row.config)
            self.loss.unit = LOSS_UNITS[self.feed.row.config.task]
            self.norms.offer(own)
            self.curve.offer(own, self.feed.row.config.method_label)
            self._keep_apart()
        for canvas in (self.loss.plot, self.norms.plot, *self.curve.canvases):
            canvas.set_mark(None)
            canvas.set_zoom(None)
        self._mark = None
        # Not hidden meanwhile: every plot would be laid out for its room, and again once the slider is back.
        self.moments.show_steps(self.feed.trace.curve("loss").steps if self.feed.trace is not None else ())
        self._changed({"all"})

    def _changed(self, keys: set[str]) -> None:
        self._stale |= keys
        if self.isVisible():
            if "all" in keys:
                self._parts.now()
            else:
                self._parts.soon()
        self.complete_changed.emit()

    def _catch_up(self) -> Iterator[None]:
        """Show what has changed, figure by figure: keys as `Feed.run_changed` names them, or "all"."""
        keys, self._stale = self._stale, set()
        if not keys:
            return
        row, trace, status = self.feed.row, self.feed.trace, self.feed.status
        if row is None or trace is None or status is None:
            self._show_empty()
            return
        self._stack.setCurrentIndex(1)
        if keys & {"all", "row", "status", "events"}:
            self._show_header(row, status)
            self._show_notices(row, status)
        self._show_what_there_is(trace, ended=status in _ENDED and not trace.behind, waits=row.state.waiting)
        if row.state.waiting:
            self.starting.show_turn(*turn(self.context.store, row.id))
        else:
            self.starting.show_stage(row.state.message, row.state.share)
        self.tiles.show_run(trace, row.state, status, mark=self._mark)
        shown = self._span(row)
        yield
        if keys & {"all", "loss"}:
            self.moments.grow(trace.curve("loss").steps)
        if keys & {"all", "loss", "held_out", "events"}:
            self.loss.show_trace(trace, shown, anew="all" in keys)
        yield
        if keys & {"all", *self.norms.reads}:
            self.norms.show_trace(trace, shown)
        yield
        if "all" in keys or ("relative_norm" in keys and self._mark is None):
            self.changed.show_trace(trace, self._mark)
        yield
        if keys & {"all", "events"}:
            self.curve.offer_samples(bool(self.context.store.samples(row.id)))
            self._keep_apart()
        if keys & {"all", "events", *self.curve.reads}:
            self.curve.show_trace(trace, shown, self._mark)

    def _show_what_there_is(self, trace: Trace, *, ended: bool, waits: bool) -> None:
        """The panels, or that there is nothing in them; those of a run that has ended will have no more than now."""
        curves, layers = len(trace.curve("loss")) > 0, any(map(len, trace.vectors.values()))
        of_steps, of_layers = (self.loss, self.curve), (self.norms, self.changed)
        self.panels.show_only((*(of_steps if curves or not ended else ()), *(of_layers if layers or not ended else ())))
        some = curves or (layers and ended)
        self._lower.setCurrentWidget(self.panels if some else self.nothing if ended else self.starting)
        self.tiles.setVisible(curves or not (ended or waits))
        set_property(self.resume, "kind", "primary" if some else "plain")  # to start it unchanged is no way on

    def _span(self, row: RunRow) -> tuple[float, float] | None:
        """The steps that the plots go over; an imported adapter has none."""
        return span(row.state.step, row.state.steps or row.config.train.steps) if row.state.steps else None

    def _keep_apart(self) -> None:
        """The two choosers show two things; the one that was just used has its way."""
        one, other = self.norms.choice, self.curve.choice
        keep_apart(*((other, one) if self.sender() is other else (one, other)))

    def _show_empty(self) -> None:
        if self.feed.row is not None:
            return
        self._stack.setCurrentIndex(0)
        self.set_title(self.title)
        self.badge.hide()
        for button in self.buttons:
            button.hide()
        ready = not self.context.document.problems()
        hint = "Everything is chosen: it can start." if ready else next(iter(self.context.document.problems().values()))
        self.empty.set("There is no run yet.", hint)
        if self.empty.button is not None:
            self.empty.button.setText("Start the run" if ready else "Choose a model")

    def _show_header(self, row: RunRow, status: Status) -> None:
        self.set_title(row.name, _subtitle(row))
        text, tone = WORDS[status]
        self.badge.show()
        self.badge.set(text, tone)
        under_way = status in (Status.RUNNING, Status.PAUSED)
        self.sample.setVisible(under_way and bool(row.config.train.prompts))
        self.checkpoint.setVisible(under_way)
        self.pause.setVisible(under_way)
        if status in _ENDED:
            self._asked = None
        pausing = self._asked == (row.id, Command.PAUSE) and status is Status.RUNNING
        stopping = self._asked == (row.id, Command.STOP)
        self.pause.setText("Go on" if status is Status.PAUSED else "Pausing" if pausing else "Pause")
        self.pause.setEnabled(not pausing and not stopping)
        self.stop.setText("Stopping" if stopping else "Stop")
        self.stop.setEnabled(not stopping)
        self.stop.setVisible(under_way or status is Status.STARTING or row.state.waiting)
        self.duplicate.setVisible(status in _ENDED)
        saved = row.state.checkpoint is not None
        offer_way_on(self.resume, row, status)
        self.export.setVisible(status is Status.FINISHED and saved)

    def _show_notices(self, row: RunRow, status: Status) -> None:
        saved = row.state.checkpoint
        go_on = f"It can be resumed from step {number(saved)}." if saved else "It has no checkpoint: start it again."
        shown = True
        match status:
            case Status.FAILED:
                details = "\n".join(part for part in (row.state.traceback, last_words(row.folder)) if part)
                hint = " ".join(part for part in (row.state.hint, go_on if saved else "") if part)
                self.notice.set(row.state.message or "The run failed.", hint=hint, tone="red", details=details)
            case Status.LOST:
                self.notice.set(LOST, hint=go_on, tone="amber", details=last_words(row.folder))
            case Status.STOPPED:
                self.notice.set(f"Stopped at step {number(row.state.step)}. {go_on}", tone="muted")
            case Status.FINISHED:
                self.notice.set(_finished(row), tone="accent")
            case _:
                shown = False
        self.compare.setVisible(status is Status.FINISHED and bool(row.state.against))
        self.notice.setVisible(shown)
        self._show_news()

    def _show_news(self) -> None:
        """What the worker wants the user to know: every notice of this run, until dismissed."""
        events = self.feed.trace.events if self.feed.trace is not None else []
        said = list(dict.fromkeys(event.text for _, event in events if isinstance(event, Noticed)))
        text = "\n".join(said[-_SAID:])
        self.news.set(text, tone="amber", details="\n".join(said) if len(said) > _SAID else "")
        self.news.setVisible(bool(text) and self._said(text) not in self._dismissed)

    def _said(self, text: str) -> str:
        """What is remembered of a notice of this run that was dismissed."""
        return f"{self.feed.row.id} {text}" if self.feed.row is not None else text

    @property
    def _dismissed(self) -> list[str]:
        """The notices that need not be shown again, the oldest first."""
        kept = self.context.settings.value(_DISMISSED, [])
        return [kept] if isinstance(kept, str) else list(cast(list[str], kept))

    # Doing

    def _compare(self) -> None:
        """Beside the run that it was made to be compared with."""
        row = self.feed.row
        if row is not None:
            self._try(lambda run: self.context.actions.compare([row.state.against, run]))

    def _dismiss(self) -> None:
        self.context.settings.setValue(_DISMISSED, [*self._dismissed, self._said(self.news.text)][-_REMEMBERED:])
        self.news.hide()

    def _show_moment(self, place: int) -> None:
        """A step of the run: every figure moves together; the last is the newest, whatever comes."""
        trace = self.feed.trace
        if trace is None:
            return
        step = None if self.moments.newest else float(trace.curve("loss").steps[place])
        for canvas in (self.loss.plot, self.norms.plot, *self.curve.canvases):
            canvas.set_mark(step)
        self._marked(step)

    def _marked(self, step: float | None) -> None:
        self._mark = step
        self.moments.go_to(step)
        row, trace, status = self.feed.row, self.feed.trace, self.feed.status
        if row is None or trace is None or status is None:
            return
        self.curve.show_trace(trace, self._span(row), step)
        self.tiles.show_run(trace, row.state, status, mark=step)
        self.changed.show_trace(trace, step)

    def _command(self, command: Command) -> None:
        if self.feed.row is not None:
            self._try(partial(self._ask, command))

    def _ask(self, command: Command, run: str) -> None:
        """Ask the worker, which obeys after its step at the earliest; meanwhile the button says that it was asked."""
        self.context.actions.command(run, command)
        if command in (Command.STOP, Command.PAUSE, Command.RESUME):
            self._asked = (run, command)
            self._changed({"status"})

    def _pause_or_go_on(self) -> None:
        self._command(Command.RESUME if self.feed.status is Status.PAUSED else Command.PAUSE)

    def _resume(self) -> None:
        self._try(self.context.actions.resume)

    def _duplicate(self) -> None:
        if self.feed.row is not None:
            self.context.document.begin_from(self.feed.row.config, f"Duplicate {self.feed.row.name}")
            self.context.go("method")

    def _start_or_choose(self) -> None:
        if self.context.document.check():
            self.context.go("model")
        else:
            try:
                self.context.actions.start(self.context.document.config)
            except UserError as error:
                show_error(error, self.window())

    def _try(self, action: object) -> None:
        """Do something with the run on show; say it where it does not work."""
        try:
            if self.feed.row is not None and callable(action):
                action(self.feed.row.id)
        except UserError as error:
            show_error(error, self.window())


def _subtitle(row: RunRow) -> str:
    adapter = row.config.adapter
    layers = adapter.layers
    where = layers.replace("-", " ") if isinstance(layers, str) else " ".join(dict.fromkeys(map(_suffix, layers)))
    return "   ".join(
        part
        for part in (row.method, f"rank {adapter.rank}" if ranked(adapter) else "", where[:40], row.model, row.data)
        if part
    )


def _suffix(name: str) -> str:
    return name.rsplit(".", 1)[-1].removesuffix("_proj")


def _finished(row: RunRow) -> str:
    """What can be done next; an imported adapter was trained elsewhere."""
    if not row.state.steps:
        return "This adapter was imported. Look into it, export it, or train it further from the list of runs."
    return f"All {number(row.state.step)} steps are done. Export it, or duplicate it to try something else."
