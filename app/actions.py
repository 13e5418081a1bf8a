"""Everything that one can do with a run, in one place: pages and shortcuts call these and never the store's writes."""

from __future__ import annotations

import re
import shlex
import sys
import time
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication

from app.feed import Feed
from app.jobs import Jobs
from core.commands import Command
from core.config.run import RunConfig
from core.errors import UserError
from core.home import Home
from core.launch import discard, kill, launch
from core.queue import enqueue, ensure_queue, leave, waiting
from core.store.store import Store

REPORTS = "reports"
"""The folder of the home that reports are written into."""
MAIN = Path(__file__).resolve().parents[1] / "main.py"


class Actions(QObject):
    """What one can do with a run. Failures of the world come out as `UserError`."""

    started = Signal(str)
    """A run was started or goes on; its id."""
    queued = Signal(str)
    """A run waits for its turn; its id."""
    compared = Signal(object)
    """The ids of runs that are to be shown beside one another."""
    report_begun = Signal(str)
    """A report is being written; what of."""
    report_written = Signal(str, object)
    """A report is there: what of, and the path of its page."""
    report_failed = Signal(str, str)
    """A report could not be written: the sentence and what to do."""
    import_asked = Signal()
    """An adapter is to be imported."""
    deleted = Signal(object)
    """The ids of runs that went to the bin; `restore` brings them back."""

    def __init__(self, home: Home, store: Store, feed: Feed, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self._home = home
        self._store = store
        self._feed = feed

    def start(self, config: RunConfig) -> str:
        """Make a run of a configuration and launch its worker; returns its id."""
        run_id = self._store.create_run(config)
        self._launch(run_id, resume=False)
        return run_id

    def queue(self, config: RunConfig, *, against: str = "") -> str:
        """Make a run that starts when nothing else is trained; returns its id.

        Args:
            config: what is to be trained.
            against: id of the run to compare it with once it has ended; empty for none.
        """
        run_id = enqueue(self._home, self._store, config, against=against)
        self._feed.poke()
        self.queued.emit(run_id)
        return run_id

    def go_on_queueing(self) -> None:
        """See to it that runs that wait have their turn, though whoever queued them may be gone."""
        if waiting(self._store):
            ensure_queue(self._home)

    def compare(self, run_ids: list[str]) -> None:
        """Show runs beside one another."""
        self.compared.emit(run_ids)

    def report(self, run_ids: list[str]) -> None:
        """Write a report of a run, or of several beside one another, into a new folder of the home."""
        rows = [self._store.run(run) for run in run_ids]
        title = rows[0].name if len(rows) == 1 else f"{len(rows)} runs"
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "report"
        out = self._home.root / REPORTS / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        self._jobs.ask(
            "report", {"runs": run_ids, "out": str(out)},
            done=lambda found: self.report_written.emit(title, Path(found["html"])),
            failed=lambda text, hint, _: self.report_failed.emit(text, hint),
        )  # fmt: skip
        self.report_begun.emit(title)

    def open_file(self, path: Path) -> None:
        """Show a file in the system's program for it."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))

    def resume(self, run_id: str) -> None:
        """Go on with a run that was stopped, has failed or lost its worker, from its newest checkpoint."""
        self._launch(run_id, resume=True)

    def ask_import(self) -> None:
        """Let the user name an adapter to import."""
        self.import_asked.emit()

    def command(self, run_id: str, command: Command) -> None:
        """Ask a running worker for something; a run that waits in the queue leaves it when it is to stop."""
        if command is not Command.STOP or not leave(self._store, run_id):
            self._store.command(run_id, command)
        self._feed.poke()

    def kill(self, run_id: str) -> None:
        """End a worker that does not answer; everything up to its newest checkpoint is kept."""
        kill(self._home.run(run_id))
        self._feed.poke()

    def delete(self, run_ids: list[str]) -> None:
        """Move runs to the bin."""
        gone: list[str] = []
        try:
            for run_id in run_ids:
                discard(self._store, run_id)
                gone.append(run_id)
        finally:
            if self._feed.row is not None and self._feed.row.id in gone:
                self._feed.watch(None)
            self._feed.poke()
            if gone:
                self.deleted.emit(gone)

    def restore(self, run_ids: list[str]) -> None:
        """Bring runs back from the bin."""
        try:
            for run_id in run_ids:
                self._store.restore(run_id)
            self.go_on_queueing()
        finally:
            self._feed.poke()

    def open_folder(self, run_id: str) -> None:
        """Show the run's folder in the system's file manager.

        Raises:
            UserError: the folder is gone.
        """
        folder = self._home.run(run_id)
        if not folder.is_dir():
            raise UserError(f"The folder {folder} is not there any more.", hint="It was moved or removed by hand.")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def copy_as_command(self, run_id: str) -> str:
        """Put the command line that repeats the run on the clipboard; returns it."""
        words = [sys.executable, str(MAIN), "train", str(self._home.run(run_id) / "run.yaml")]
        text = shlex.join([*words, "--home", str(self._home.root)])
        QGuiApplication.clipboard().setText(text)
        return text

    def _launch(self, run_id: str, *, resume: bool) -> None:
        launch(self._home, run_id, resume=resume)
        self._feed.watch(run_id)
        self._feed.poke()
        self.started.emit(run_id)
