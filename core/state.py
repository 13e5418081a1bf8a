"""Where a run stands, folded from what its worker said.

A pure function of events and points: the writer keeps the result beside the run so that ten thousand runs list fast,
and whoever folds the same events again gets the same state. "Lost" is not a state but an observation (the run says
that it is under way, and nobody holds its lock), so it is worked out by `status` and stored nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from core.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    Launched,
    Noticed,
    Paused,
    Queued,
    Resumed,
    Rewound,
    RunFailed,
    RunFinished,
    RunStarted,
    RunStopped,
    StageChanged,
)


class Phase(StrEnum):
    """What the worker said last about itself."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class Status(StrEnum):
    """What is shown to the user: the phase, or "lost"."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"


UNDER_WAY = frozenset({Phase.STARTING, Phase.RUNNING, Phase.PAUSED})
"""Phases in which a worker must be alive; without one, the run is lost."""


@dataclass(frozen=True, slots=True)
class RunState:
    """A run's summary. Losses are None until there is one, and may be nan where the training broke.

    Attributes:
        step, steps: done, and to do in all.
        device, compute: what it runs on, and in which precision.
        best: lowest held-out loss.
        first_loss, last_loss: training loss of the first and of the latest step.
        seconds: time spent training.
        message: what the worker is busy with, or why it ended; `share` of that from 0 to 1 where it is known.
        notice: the latest thing the user should know.
        hint, traceback: what to do about a failure, and where in the code it was.
        checkpoint: step of the newest complete checkpoint.
        forecast: peak of memory in bytes that the worker expected; 0 before it began.
        waiting: whether it stands in the queue (`core.queue`).
        against: id of the run to compare it with once it has ended; empty for none.
    """

    phase: Phase = Phase.QUEUED
    step: int = 0
    steps: int = 0
    device: str = ""
    compute: str = ""
    trainable_parameters: int = 0
    total_parameters: int = 0
    examples: int = 0
    held_out_examples: int = 0
    best: float | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    seconds: float = 0.0
    message: str = ""
    share: float | None = None
    notice: str = ""
    hint: str = ""
    traceback: str = ""
    checkpoint: int | None = None
    forecast: int = 0
    waiting: bool = False
    against: str = ""

    @property
    def under_way(self) -> bool:
        """Whether a worker ought to be alive."""
        return self.phase in UNDER_WAY

    def after(self, event: Event) -> RunState:
        """The state once this has happened."""
        match event:
            case Queued(against):
                return replace(self, phase=Phase.QUEUED, waiting=True, against=against)
            case Launched():
                phase = Phase.STARTING
                return replace(self, phase=phase, waiting=False, message="", share=None, hint="", traceback="")
            case RunStarted():
                return self._started(event)
            case StageChanged(text, share):
                phase = Phase.STARTING if self.phase is Phase.QUEUED else self.phase
                return replace(self, phase=phase, message=text, share=share)
            case Evaluated(_, loss, best):
                return replace(self, best=loss if best else self.best, message="", share=None)
            case CheckpointSaved(step):
                return replace(self, checkpoint=step)
            case Rewound(step, best):
                kept = self.checkpoint if self.checkpoint is not None and self.checkpoint <= step else step or None
                return replace(self, step=step, best=best, checkpoint=kept)
            case Paused(step):
                return replace(self, phase=Phase.PAUSED, step=step)
            case Resumed(step):
                return replace(self, phase=Phase.RUNNING, step=step)
            case Noticed(text):
                return replace(self, notice=text)
            case RunFinished(step):
                return self._ended(Phase.FINISHED, step)
            case RunStopped(step):
                return self._ended(Phase.STOPPED, step)
            case RunFailed(step, text, hint, traceback):
                return replace(self._ended(Phase.FAILED, step), message=text, hint=hint, traceback=traceback)
        return self

    def measured(self, step: int, values: Mapping[str, float]) -> RunState:
        """The state once these points (curve key to value) were measured."""
        loss = values.get("loss")
        return replace(
            self,
            step=self.step if loss is None else max(step, self.step),
            first_loss=loss if self.first_loss is None else self.first_loss,
            last_loss=self.last_loss if loss is None else loss,
            seconds=values.get("seconds", self.seconds),
        )

    def to_json(self) -> str:
        """The text kept beside the run."""
        return json.dumps({key: value for key, value in asdict(self).items() if value != _EMPTY[key]})

    @classmethod
    def from_json(cls, text: str) -> RunState:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        return cls(**{**fields, "phase": Phase(fields.get("phase", Phase.QUEUED))})

    def _started(self, event: RunStarted) -> RunState:
        return replace(
            self, phase=Phase.RUNNING, step=event.step, steps=event.steps, device=event.device, compute=event.compute,
            trainable_parameters=event.trainable_parameters, total_parameters=event.total_parameters,
            examples=event.examples, held_out_examples=event.held_out_examples, forecast=event.forecast,
            message="", share=None,
        )  # fmt: skip

    def _ended(self, phase: Phase, step: int) -> RunState:
        # Who could not even read how far the run had come says 0.
        return replace(self, phase=phase, step=max(step, self.step), waiting=False, message="", share=None)


_EMPTY = asdict(RunState())


def status(state: RunState, alive: bool) -> Status:
    """What to show: "lost" where the run is under way by its own words and its worker is gone.

    Args:
        state: what the worker said, read *after* `alive` was found out: a worker says its last word before it goes.
        alive: whether the worker holds the run's lock, or is on its way to take it (`core.launch.alive`).
    """
    return Status.LOST if state.under_way and not alive else Status(state.phase.value)
