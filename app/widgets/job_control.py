"""One job of the warm worker and what a page shows of it: what it is busy with, a way to end it, and why it failed.

The widgets are made here and laid out by the page that has them, since one wants them in a row and another in a panel.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from app.errors import show_error
from app.jobs import Job, Jobs
from app.widgets.bar import ProgressLine
from app.widgets.buttons import danger
from app.widgets.labels import label
from app.widgets.notice import Notice
from core.errors import UserError


class JobControl(QObject):
    """Asks for one job at a time and follows it.

    Args:
        jobs: who is asked.
        owner: the widget that the job belongs to.
        name: of the progress, for a screen reader.
        cancelled: what is said once the user has ended a job; empty says nothing.

    Attributes:
        stage, progress, cancel: seen while a job is under way.
        trouble: seen where it has failed, until the next one is asked for.
    """

    done = Signal(object)
    """The result of a job, a dict."""
    working = Signal(bool)
    """A job is under way, or is no longer."""

    def __init__(self, jobs: Jobs, owner: QWidget, *, name: str, cancelled: str = "") -> None:
        super().__init__(owner)
        self._jobs = jobs
        self._owner = owner
        self._cancelled_text = cancelled
        self.job: Job | None = None
        self.stage = label("", "label")
        self.progress = ProgressLine(height=4, name=name)
        self.cancel = danger("Cancel", self._cancel)
        self.trouble = Notice(tone="red")
        for widget in (self.stage, self.progress, self.cancel, self.trouble):
            widget.hide()

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self.job is not None

    def ask(self, kind: str, body: dict[str, Any]) -> None:
        """Ask for a job; where it cannot be asked for, say so."""
        self.trouble.hide()
        try:
            self.job = self._jobs.ask(
                kind, body, progress=self._show_progress, done=self._done, failed=self._failed,
                cancelled=self._cancelled,
            )  # fmt: skip
        except UserError as error:
            show_error(error, self._owner.window())
            return
        self._show_progress("Waiting for the background worker", None)
        self._show_working()

    def refuse(self, error: UserError) -> None:
        """Say in the place of a failure what keeps a job from being asked for."""
        self.trouble.set(error.text, hint=error.hint, tone="red")
        self.trouble.show()

    def _cancel(self) -> None:
        if self.job is not None:
            self.job.cancel()
            self.stage.setText("Cancelling")

    def _show_progress(self, text: str, share: float | None) -> None:
        self.stage.setText(text)
        self.progress.set(share)

    def _done(self, result: dict[str, Any]) -> None:
        self._end()
        self.done.emit(result)

    def _failed(self, text: str, hint: str, traceback: str) -> None:
        self._end()
        self.trouble.set(text, hint=hint, tone="red", details=traceback)
        self.trouble.show()

    def _cancelled(self) -> None:
        self._end()
        if self._cancelled_text:
            self.trouble.set(self._cancelled_text, tone="muted")
            self.trouble.show()

    def _end(self) -> None:
        self.job = None
        self._show_working()

    def _show_working(self) -> None:
        for widget in (self.stage, self.progress, self.cancel):
            widget.setVisible(self.busy)
        self.working.emit(self.busy)
