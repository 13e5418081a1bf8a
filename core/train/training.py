"""A run in memory: what the loop, the callbacks and the checkpoints work on together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from core.adapters.attach import Adapters
from core.callback import Callback
from core.commands import Command
from core.config.run import RunConfig
from core.sink import Sink
from core.train.objectives.objective import Objective
from core.train.precision import Precision

if TYPE_CHECKING:
    from core.data.batches import Batch


class Rows(Protocol):
    """Where the batches come from. See `core.data.batches.Batches`."""

    def micro_batches(self, step: int) -> Sequence[Batch]:
        """The batches of the 0-based optimizer step; a pure function of the step, so that resuming is exact."""


class Figures(Protocol):
    """See `Objective.figures`."""

    def __call__(self, *, whole: bool) -> dict[str, float]:
        """By curve key."""


def nothing_else(*, whole: bool) -> dict[str, float]:
    """An objective that shows nothing beside its loss."""
    return {}


@dataclass
class Progress:
    """How far a run has come; goes into every checkpoint.

    Attributes:
        step: optimizer steps done; the position in the schedule and in the data as well.
        seconds: time spent in steps, without evaluating, saving or pausing.
        tokens: tokens that went through the model, padding not counted.
        trained_tokens: those of them that had a loss.
        best_loss: the lowest held-out loss so far; None before the first.
        best_step: when it was measured.
        evaluated: the last step at which the held-out loss was measured; -1 before the first.
        sampled: the last step at which the sample prompts were answered; -1 before the first.
    """

    step: int = 0
    seconds: float = 0.0
    tokens: int = 0
    trained_tokens: int = 0
    best_loss: float | None = None
    best_step: int | None = None
    evaluated: int = -1
    sampled: int = -1


@dataclass(frozen=True, slots=True)
class Measured:
    """What one optimizer step showed.

    Attributes:
        loss: mean over the step's trained tokens, by their weights, in nats.
        gradient_norm: over all trained numbers, before clipping.
        learning_rate: after the schedule, before the ratios of the groups.
        tokens: that went through the model.
        seconds: that the step took.
    """

    loss: float
    gradient_norm: float
    learning_rate: float
    tokens: int
    seconds: float


@dataclass
class Training:
    """Everything that one run has in memory.

    Attributes:
        config: the run's.
        folder: the run's.
        sink: who is told.
        precision: device and compute dtype.
        model, tokenizer, adapters, optimizer: as their names say.
        objective: sum of the losses of a batch's trained tokens, by their weights.
        rows: the training batches by step.
        held_out: the batches of the held-out loss.
        figures: what the objective's batches showed beside the loss since it was last asked.
        scaler: of the loss, at work in float16 only.
        callbacks: who acts at the moments of `core.callback`, in their order.
        progress: how far it has come.
        measured: what the last step showed; None before the first.
        total_parameters: numbers of the base model.
        examples, held_out_examples: how many there are to train on, and to measure with.
        forecast: the peak of memory in bytes that is expected; 0 where nobody worked it out.
        wanted: commands that are to be carried out in this rest.
        paused, stopping: what the user wants of the loop.
    """

    config: RunConfig
    folder: Path
    sink: Sink
    precision: Precision
    model: nn.Module
    tokenizer: Any
    adapters: Adapters
    optimizer: Optimizer
    objective: Objective
    rows: Rows
    held_out: Sequence[Batch] = ()
    figures: Figures = nothing_else
    scaler: torch.amp.GradScaler = field(default_factory=lambda: torch.amp.GradScaler(enabled=False))
    callbacks: list[Callback] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    measured: Measured | None = None
    total_parameters: int = 0
    examples: int = 0
    held_out_examples: int = 0
    forecast: int = 0
    wanted: set[Command] = field(default_factory=set)
    paused: bool = False
    stopping: bool = False

    @property
    def done(self) -> bool:
        """Whether all steps are made."""
        return self.progress.step >= self.config.train.steps

    def scheduled(self, every: int) -> bool:
        """Whether something that happens every so many steps (0: at the end only) happens at this step."""
        return self.done or (every > 0 and self.progress.step % every == 0)
