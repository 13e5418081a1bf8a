"""What the window says by itself when something has happened: a sentence at its lower edge, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from app.awaited import Awaited
from app.context import Context
from app.widgets.toast import Toast
from app.words import plural
from core.errors import UserError
from core.queue import before
from core.state import Phase

if TYPE_CHECKING:
    from core.store.rows import RunRow


class News(QObject):
    """Tells of runs that were deleted, queued, imported or have ended, and of reports."""

    def __init__(self, context: Context, toast: Toast) -> None:
        super().__init__(toast)
        self.context = context
        self.awaited = Awaited(context.store, context.settings)
        self._toast = toast
        actions = context.actions
        actions.deleted.connect(self._deleted)
        actions.queued.connect(self._queued)
        actions.report_begun.connect(self._report_begun)
        actions.report_written.connect(self._report_written)
        self.awaited.ended.connect(self._ended)
        context.feed.runs_changed.connect(self.awaited.look)

    def imported(self, result: dict[str, Any]) -> None:
        """Show the run that an adapter has become, and what there is to know of it."""
        self.context.feed.poke()
        self.context.feed.watch(result["run"])
        self.context.go("runs")
        more = " Its notes say what there is to know of it." if result["notes"] else ""
        export = ("Export", lambda: self.context.go("export"))
        self._toast.say(f"{result['name']} was imported.{more}", export, stays=True)

    def _deleted(self, runs: list[str]) -> None:
        undo = ("Undo", lambda: self.context.actions.restore(runs))
        self._toast.say(f"{plural(len(runs), 'run')} moved to the bin.", undo)

    def _queued(self, run_id: str) -> None:
        """Say what it waits for; when it has ended, that is told too."""
        self.context.document.take_next_name()
        row, ahead = self.context.store.run(run_id), before(self.context.store, run_id)
        if row.state.against:
            self.awaited.add(run_id)
        says = f"starts when {ahead} has ended" if ahead else "is starting"
        self._toast.say(f"{row.name} {says}.", ("Show", lambda: self.watch(run_id)))

    def _ended(self, row: RunRow) -> None:
        """A run that somebody waits for has ended: it can be compared."""
        try:
            other = self.context.store.run(row.state.against)
        except UserError:
            return
        if row.phase is Phase.FAILED:
            self._toast.say(f"{row.name} has failed.", ("Show", lambda: self.watch(row.id)), stays=True)
            return
        losses = [f"{one.best_loss:.3f}" if one.best_loss is not None else "–" for one in (row, other)]
        compare = ("Compare", lambda: self.context.actions.compare([other.id, row.id]))
        text = f"{row.name} has ended. Held-out loss {losses[0]}; {other.name} {losses[1]}."
        self._toast.say(text, compare, stays=True)

    def _report_begun(self, of: str) -> None:
        self._toast.say(f"Writing the report of {of}.", stays=True)

    def _report_written(self, of: str, page: Path) -> None:
        show = ("Open", lambda: self.context.actions.open_file(page))
        self._toast.say(f"The report of {of} is written.", show, stays=True)

    def watch(self, run_id: str) -> None:
        """Show a run."""
        self.context.feed.watch(run_id)
        self.context.go("run")
