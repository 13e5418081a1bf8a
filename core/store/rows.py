"""What the store hands out: plain values, whose long texts are read only when somebody asks for their content."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from core.checkpoints import ADAPTER
from core.config.run import RunConfig
from core.state import UNDER_WAY, Phase, RunState

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class RunRow:
    """A run as the list shows it.

    Attributes:
        id: its name on disk and on the command line.
        name: what the user calls it.
        created: seconds since 1970.
        parent: the folder that its folder is in: the home's runs, or its bin.
        tags, notes: the user's own words.
        deleted: when it was put into the bin, else None.
        method, model, data: short names, as they were when it was made.
        phase: what its worker said last; see `core.launch.observe` for what to show.
        best_loss: lowest held-out loss.
        first_loss, last_loss: training loss of the first and of the latest step.
        seconds: time spent training.
    """

    id: str
    name: str
    created: float
    parent: Path
    tags: tuple[str, ...]
    notes: str
    deleted: float | None
    method: str
    model: str
    data: str
    phase: Phase
    best_loss: float | None
    first_loss: float | None
    last_loss: float | None
    seconds: float
    config_text: str
    state_text: str

    @property
    def folder(self) -> Path:
        """Where its files are; in the bin once it is deleted."""
        return self.parent / self.id

    @cached_property
    def config(self) -> RunConfig:
        """Everything that makes the run what it is.

        Raises:
            UserError: it was made by a version whose options this one does not have.
        """
        return RunConfig.from_dict(json.loads(self.config_text))

    @cached_property
    def state(self) -> RunState:
        """Where it stands, in full."""
        return RunState.from_json(self.state_text)

    @property
    def under_way(self) -> bool:
        """Whether its worker ought to be alive."""
        return self.phase in UNDER_WAY


@dataclass(frozen=True, slots=True)
class SampleRow:
    """An answer of the model at a step."""

    step: int
    prompt: str
    text: str


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A complete checkpoint; `folder` is absolute, `best` marks the one with the lowest held-out loss."""

    step: int
    folder: Path
    best: bool
    time: float

    @property
    def adapter(self) -> Path:
        """The folder of its adapter."""
        return self.folder / ADAPTER


@dataclass(frozen=True, slots=True)
class JobRow:
    """A short job of the warm worker.

    Attributes:
        id: what `Store.ask` answered.
        kind, body: what is to be done, and to what.
        state: queued, running, done, failed or cancelled.
        cancel: whether the user has asked for its end.
        text, share: what it is busy with, and how far (0 to 1) where that is known.
        result: what came of it, once done.
        error_text, error_hint: the sentence and the advice, once failed.
        traceback: where in the code, if it was our mistake.
    """

    id: int
    kind: str
    body: dict[str, Any]
    state: JobState
    cancel: bool
    text: str
    share: float | None
    result: dict[str, Any] | None
    error_text: str
    error_hint: str
    traceback: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("done", "failed", "cancelled")
