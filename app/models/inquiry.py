"""A question about the configuration that the warm worker answers, asked again when something it depends on changes.

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
from core.config.edit import value_at
from core.errors import UserError

DELAY = 400
"""Milliseconds without a change after which is asked."""
_REMEMBERED = 8

State = Literal["nothing", "reading", "known", "failed"]


@dataclass(frozen=True)
class Failure:
    """Why nothing is known: a sentence, what to do, and a traceback where it is our mistake."""

    text: str
    hint: str = ""
    details: str = ""


class Inquiry(QObject):
    """Follows the document and keeps `state`, `answer` and `failure` in step with it.

    Args:
        kind: of the job that answers.
        depends: beginnings of the dotted paths that the answer depends on.
        needs_model: whether there is nothing to ask without a model.

    Attributes:
        state: "nothing" (no data, or no model where one is needed, is chosen), "reading", "known" or "failed".
        answer: the worker's last one, while reading the one before; None where none.
        stale: whether `answer` is of another question than the present one.
        failure: why there is no answer.
        stage, share: what the worker is busy with, and how far it is (0 to 1 or None).
    """

    changed = Signal()
    """Any of the attributes but `stage` and `share` is new."""
    progress = Signal(str, object)
    """`stage` and `share` are new."""

    def __init__(
        self,
        document: Document,
        jobs: Jobs,
        kind: str,
        *,
        depends: tuple[str, ...],
        needs_model: bool = False,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._jobs = jobs
        self._kind = kind
        self._depends = depends
        self._needs_model = needs_model
        self._more: dict[str, Any] = {}
        self._job: Job | None = None
        self._answers: dict[str, dict[str, Any]] = {}
        self._question = ""
        self._awake = False
        self.state: State = "nothing"
        self.answer: dict[str, Any] | None = None
        self.stale = False
        self.failure: Failure | None = None
        self.stage = ""
        self.share: float | None = None
        self._wait = QTimer(self, singleShot=True, interval=DELAY)
        self._wait.timeout.connect(self._ask)
        document.changed.connect(self._follow)
        document.model_changed.connect(self.look)

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

    def stop(self) -> None:
        """Whoever looked has gone for good: end what is under way."""
        self.sleep()
        self._wait.stop()
        self._cancel()

    def want(self, **more: Any) -> None:
        """Ask with these words beside the configuration from now on."""
        self._more = more
        self.look(at_once=True)

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
        if not self._document.config.data.path or (self._needs_model and not self._model()):
            self.answer, self.failure = None, None
            self._become("nothing")
        elif question in self._answers:
            self._show(self._answers[question])
        else:
            self.stale = True
            self.stage, self.share = "Reading the data", None
            self._become("reading")
            if self._awake:
                self._wait.start(0 if at_once else DELAY)
            else:
                self._question = ""  # so that waking up asks it

    def _follow(self, paths: frozenset[str]) -> None:
        if any(path.startswith(self._depends) for path in paths):
            self.look()

    def _asked(self) -> str:
        """The question as a text: equal ones have equal answers."""
        config = self._document.config
        values = [str(value_at(config, path.rstrip("."))) for path in self._depends if path != "model.path"]
        files = [_stamp(path) for path in (config.data.path, config.data.held_out_path)]
        return f"{self._model()} {values} {files} {self._more}"

    def _model(self) -> str:
        """The model, where it is one; a broken one is the Model page's business."""
        return self._document.config.model.path if self._document.model is not None else ""

    def _ask(self) -> None:
        question = self._question
        body = self._document.config.to_dict()
        body["model"]["path"] = self._model()
        try:
            job = self._jobs.ask(self._kind, {"config": body, **self._more})
        except UserError as error:
            self._fail(error.text, error.hint, "")
            return
        self._job = job
        job.progress.connect(lambda text, share: self._go_on(job, text, share))
        job.done.connect(lambda answer: self._done(job, question, answer))
        job.failed.connect(lambda *told: self._fail(*told) if job is self._job else None)

    def _go_on(self, job: Job, text: str, share: float | None) -> None:
        if job is self._job:
            self.stage, self.share = text, share
            self.progress.emit(text, share)

    def _done(self, job: Job, question: str, answer: dict[str, Any]) -> None:
        self._answers[question] = answer
        for old in list(self._answers)[:-_REMEMBERED]:
            del self._answers[old]
        if job is self._job:
            self._job = None
            self._show(answer)

    def _show(self, answer: dict[str, Any]) -> None:
        self.answer, self.stale, self.failure = answer, False, None
        self._become("known")

    def _fail(self, text: str, hint: str, details: str) -> None:
        self._job = None
        self.stale, self.failure = True, Failure(text, hint, details)
        self._become("failed")

    def _cancel(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _become(self, state: State) -> None:
        self.state = state
        self.changed.emit()


def _stamp(path: str) -> tuple[int, int]:
    """Changes when the file does."""
    try:
        stat = Path(path).stat()
    except (OSError, ValueError):
        return 0, 0
    return stat.st_mtime_ns, stat.st_size
