"""What is known of the data that is chosen: asked of the warm worker whenever something changes that it depends on.

One job is under way at a time. A change waits a moment for the next one, because a number is typed digit by digit; a
job whose question is out of date is cancelled, and its answer is not shown. What was answered lately is remembered, so
that undo answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, QTimer, Signal

from app.document import Document
from app.jobs import Job, Jobs
from core.errors import UserError

DELAY = 400
"""Milliseconds without a change after which is asked."""
_REMEMBERED = 8
_ASKED = ("data.", "model.path", "seed")
"""Beginnings of the paths that the answer depends on."""

State = Literal["nothing", "reading", "known", "failed"]


@dataclass(frozen=True)
class Failure:
    """Why nothing is known: a sentence, what to do, and a traceback where it is our mistake."""

    text: str
    hint: str = ""
    details: str = ""


class Inspection(QObject):
    """Follows the document and keeps `state`, `report` and `failure` in step with it.

    Attributes:
        state: "nothing" (no data is chosen), "reading", "known" or "failed".
        report: the last answer (`core.data.summary.Report` as a dict), while reading the one before; None where none.
        stale: whether `report` is of another question than the present one.
        failure: why there is no answer.
        stage, share: what the worker is busy with, and how far it is (0 to 1 or None).
    """

    changed = Signal()
    """Any of the attributes but `stage` and `share` is new."""
    progress = Signal(str, object)
    """`stage` and `share` are new."""

    def __init__(self, document: Document, jobs: Jobs, kind: str = "inspect_data", *, parent: QObject) -> None:
        super().__init__(parent)
        self._document = document
        self._jobs = jobs
        self._kind = kind
        self._job: Job | None = None
        self._answers: dict[str, dict[str, Any]] = {}
        self._question = ""
        self._awake = False
        self.state: State = "nothing"
        self.report: dict[str, Any] | None = None
        self.stale = False
        self.failure: Failure | None = None
        self.stage = ""
        self.share: float | None = None
        self._wait = QTimer(self, singleShot=True, interval=DELAY)
        self._wait.timeout.connect(self._ask)
        document.changed.connect(self._follow)
        document.model_changed.connect(self.look)

    @property
    def blocking(self) -> dict[str, Any] | None:
        """The first problem that a run cannot start with."""
        problems = self.report["problems"] if self.report is not None and self.state == "known" else ()
        return next((problem for problem in problems if problem["blocking"]), None)

    def wake(self) -> None:
        """Somebody wants to see the answer from now on: until then nothing is asked."""
        self._awake = True
        self.look(at_once=True)

    def sleep(self) -> None:
        """Nobody looks: what waits is asked when somebody does again; a job under way is let go on."""
        self._awake = False
        if self._wait.isActive():
            self._wait.stop()
            self._question = ""

    def again(self) -> None:
        """Ask once more, whatever was answered."""
        self._answers.pop(self._question, None)
        self._question = ""
        self.look(at_once=True)

    def look(self, *, at_once: bool = False) -> None:
        """See whether the question is another one than last time, and ask it."""
        question = self._asked()
        if question == self._question:
            return
        self._cancel()
        self._wait.stop()
        self._question = question
        if not self._document.config.data.path:
            self.report, self.failure = None, None
            self._become("nothing")
        elif question in self._answers:
            self._answer(self._answers[question])
        else:
            self.stale = True
            self.stage, self.share = "Reading the data", None
            self._become("reading")
            if self._awake:
                self._wait.start(0 if at_once else DELAY)
            else:
                self._question = ""  # so that waking up asks it

    def _follow(self, paths: frozenset[str]) -> None:
        if any(path.startswith(_ASKED) for path in paths):
            self.look()

    def _asked(self) -> str:
        """The question as a text: equal ones have equal answers."""
        config = self._document.config
        data = config.data.model_dump_json()
        files = [_stamp(path) for path in (config.data.path, config.data.held_out_path)]
        return f"{config.seed} {self._model()} {data} {files}"

    def _model(self) -> str:
        """The model, where it is one; a broken one is the Model page's business."""
        return self._document.config.model.path if self._document.model is not None else ""

    def _ask(self) -> None:
        question = self._question
        body = self._document.config.to_dict()
        body["model"]["path"] = self._model()
        try:
            job = self._jobs.ask(self._kind, {"config": body})
        except UserError as error:
            self._fail(error.text, error.hint, "")
            return
        self._job = job
        job.progress.connect(lambda text, share: self._go_on(job, text, share))
        job.done.connect(lambda report: self._done(job, question, report))
        job.failed.connect(lambda *told: self._fail(*told) if job is self._job else None)

    def _go_on(self, job: Job, text: str, share: float | None) -> None:
        if job is self._job:
            self.stage, self.share = text, share
            self.progress.emit(text, share)

    def _done(self, job: Job, question: str, report: dict[str, Any]) -> None:
        self._answers[question] = report
        for old in list(self._answers)[:-_REMEMBERED]:
            del self._answers[old]
        if job is self._job:
            self._job = None
            self._answer(report)

    def _answer(self, report: dict[str, Any]) -> None:
        self.report, self.stale, self.failure = report, False, None
        self._become("known")

    def _fail(self, text: str, hint: str, details: str) -> None:
        self._job = None
        self.report, self.failure = None, Failure(text, hint, details)
        self._become("failed")

    def _cancel(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _become(self, state: State) -> None:
        self.state = state
        self._document.take_report(self.report if state == "known" else None)
        self.changed.emit()


def _stamp(path: str) -> tuple[int, int]:
    """Changes when the file does."""
    try:
        stat = Path(path).stat()
    except (OSError, ValueError):
        return 0, 0
    return stat.st_mtime_ns, stat.st_size
