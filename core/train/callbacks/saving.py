"""Saves checkpoints, and keeps a full disk from ending a training."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors import SafetensorError

from core import checkpoints
from core.atomic import disk_is_full
from core.callback import Callback
from core.commands import Command
from core.errors import UserError
from core.events import CheckpointSaved, Noticed
from core.train import checkpoint
from core.train.training import Training


class Saving(Callback):
    """Every `train.checkpoint_every` steps, at the best held-out loss, at the end, at a stop, and when asked for.

    What cannot be written is said and tried again at the next checkpoint; only a run whose last state is nowhere on
    disk when it ends has failed.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.saved: int | None = None
        self.is_best = False

    def begin(self) -> None:
        """A resumed run stands on a checkpoint."""
        self.saved = self.training.progress.step or None

    def after_evaluation(self, loss: float, best: bool) -> None:
        """The best adapter so far is kept, whatever the schedule says; the untrained one needs no file."""
        self.is_best = best and self.training.progress.step > 0

    def at_rest(self) -> None:
        """Save where it is time and this step is not on disk yet."""
        training, step = self.training, self.training.progress.step
        due = step > 0 and training.scheduled(training.config.train.checkpoint_every)
        due = due or training.stopping or Command.CHECKPOINT in training.wanted
        if self.is_best or (due and self.saved != step):
            self.is_best = False
            problem = self._save()
            if problem:
                again = "The training goes on and tries again at the next checkpoint."
                training.sink.event(Noticed(f"{problem} {again}"))

    def end(self) -> None:
        """Try once more where the last state is not on disk.

        Raises:
            UserError: it still cannot be written.
        """
        step = self.training.progress.step
        if self.saved == step:
            return
        problem = self._save()
        if problem:
            kept = f"The newest checkpoint is of step {self.saved}" if self.saved else "There is no earlier checkpoint"
            raise UserError(
                f"The state after step {step} is lost: {problem} {kept}.",
                hint="Make room or choose another home, then resume the run: it goes on from what is on disk.",
            )

    def _save(self) -> str:
        """Write a checkpoint and say so; the sentence that tells why it could not be written, or an empty one."""
        training, progress = self.training, self.training.progress
        training.sink.flush()
        try:
            checkpoint.save(training)
        except (OSError, SafetensorError) as error:
            return _explain(training.folder, progress.step, error)
        self.saved = progress.step
        folder = checkpoints.name(progress.step)
        training.sink.event(CheckpointSaved(progress.step, folder, progress.best_step == progress.step))
        checkpoint.prune(training)
        return ""


def _explain(run: Path, step: int, error: Exception) -> str:
    why = "the disk is full" if disk_is_full(error) else getattr(error, "strerror", None) or str(error)
    try:
        room = f" ({shutil.disk_usage(run).free / 2**20:,.0f} MiB free)"
    except OSError:
        room = ""
    return f"The checkpoint of step {step} could not be written to {run / checkpoints.FOLDER}: {why}{room}."
