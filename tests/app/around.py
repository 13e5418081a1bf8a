"""What stands around a single page in a test: a document, a store, and stand-ins that write down what was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from PySide6.QtCore import QObject, QSettings, Signal

from app.context import Context
from app.document import Document
from app.style.theme import Theme
from core.config.run import RunConfig
from core.errors import UserError
from core.home import Home
from core.store.store import Store


class AskedJob(QObject):
    """A job that a page asked for; the test says how it goes."""

    ended = Signal()

    def __init__(self, kind: str, body: dict[str, Any], handlers: dict[str, Callable[..., object]]) -> None:
        super().__init__()
        self.kind, self.body, self.handlers = kind, body, handlers
        self.cancelled = False

    def cancel(self) -> None:
        """Note that the page wants it to end."""
        self.cancelled = True

    def progress(self, text: str, share: float | None) -> None:
        """Go on."""
        self.handlers["progress"](text, share)

    def finish(self, result: dict[str, Any]) -> None:
        """End well."""
        self.handlers["done"](result)
        self.ended.emit()

    def fail(self, text: str, hint: str) -> None:
        """End badly."""
        self.handlers["failed"](text, hint, "")
        self.ended.emit()


@dataclass
class Around:
    """A context of stand-ins.

    Attributes:
        visited: the keys of the pages that the page led to.
        started: the configurations that were started.
        queued: those that wait for their turn, each with the run that it is to be compared with.
        jobs: the jobs that were asked for.
        refusal: what starting a run fails with; None for nothing.
    """

    home: Home
    store: Store
    visited: list[str] = field(default_factory=list)
    started: list[RunConfig] = field(default_factory=list)
    queued: list[tuple[RunConfig, str]] = field(default_factory=list)
    jobs: list[AskedJob] = field(default_factory=list)
    refusal: UserError | None = None

    def __post_init__(self) -> None:
        self.document = Document()
        settings = QSettings(str(self.home.root / "window.ini"), QSettings.Format.IniFormat)
        here = cast(Any, self)
        self.context = Context(
            home=self.home, store=self.store, feed=cast(Any, None), jobs=here, actions=here, document=self.document,
            theme=Theme.current(), settings=settings, go=self.visited.append,
        )  # fmt: skip

    def start(self, config: RunConfig) -> str:
        """As `Actions.start`."""
        if self.refusal is not None:
            raise self.refusal
        self.started.append(config)
        return "run"

    def queue(self, config: RunConfig, *, against: str = "") -> str:
        """As `Actions.queue`."""
        self.queued.append((config, against))
        return "run"

    def ask(self, kind: str, body: dict[str, Any], **handlers: Callable[..., object]) -> AskedJob:
        """As `Jobs.ask`."""
        self.jobs.append(AskedJob(kind, body, handlers))
        return self.jobs[-1]
