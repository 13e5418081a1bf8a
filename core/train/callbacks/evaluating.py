"""Measures the held-out loss, and remembers the lowest."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from core.callback import Callback
from core.commands import Command
from core.evaluating import evaluating
from core.events import Evaluated, StageChanged
from core.train.memory import explained
from core.train.seed import undisturbed
from core.train.training import Training

TELL_EVERY = 1.0
"""Seconds between two words on how far a long evaluation is."""


class Evaluating(Callback):
    """Before the first step, every `train.evaluate_every` steps, at the end, and whenever it is asked for.

    Args:
        training: the run.
        stop_asked: whether somebody waits for the run to stop; a long evaluation is given up for that.
    """

    def __init__(self, training: Training, *, stop_asked: Callable[[], bool] = lambda: False) -> None:
        self.training = training
        self.stop_asked = stop_asked

    def at_rest(self) -> None:
        """Evaluate where it is time and this step has not been evaluated yet."""
        training, step = self.training, self.training.progress.step
        due = step == 0 or training.scheduled(training.config.train.evaluate_every)
        if not training.held_out or training.progress.evaluated == step or training.stopping:
            return
        if due or Command.EVALUATE in training.wanted:
            with explained(f"while measuring the held-out loss after step {step}"):
                loss = held_out_loss(training, stop_asked=self.stop_asked, progress=self._progress())
            figures = training.figures(whole=True)
            if loss is not None:
                if figures:
                    training.sink.points(step, {f"held_out_{key}": value for key, value in figures.items()})
                self._tell(loss)

    def _progress(self) -> Callable[[float], None]:
        """Says how far the evaluation is that begins now, where it takes long."""
        told = time.monotonic()

        def progress(share: float) -> None:
            nonlocal told
            if time.monotonic() - told >= TELL_EVERY:
                told = time.monotonic()
                self.training.sink.event(StageChanged("Measuring the held-out loss", share))

        return progress

    def _tell(self, loss: float) -> None:
        training, progress = self.training, self.training.progress
        best = math.isfinite(loss) and (progress.best_loss is None or loss < progress.best_loss)
        progress.evaluated = progress.step
        if best:
            progress.best_loss, progress.best_step = loss, progress.step
        training.sink.event(Evaluated(progress.step, loss, best))
        for callback in training.callbacks:
            callback.after_evaluation(loss, best)


def held_out_loss(
    training: Training,
    *,
    stop_asked: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda share: None,
) -> float | None:
    """Mean over all trained tokens of the held-out examples, in nats; None where it was given up for a stop.

    By the weights that the data gives them, as in training: what is measured is what is lowered, so that the two
    curves can be laid over one another and the best checkpoint is the best at what the data asks for.
    """
    total, counted = 0.0, 0.0
    with undisturbed(), evaluating(training.model), torch.no_grad(), training.precision.autocast():
        for place, batch in enumerate(training.held_out):
            if stop_asked():
                return None
            progress(place / len(training.held_out))
            total += training.objective(batch).item()
            counted += batch.counted
    return total / (counted or 1)
