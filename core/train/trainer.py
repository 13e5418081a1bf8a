"""The training loop, whole, to be read from top to bottom.

The loss of a step is the mean over all trained tokens of all its micro-batches, by their weights where the data gives
some, and not a mean of means: a token counts the same in whichever batch it comes. What a method does beyond plain
gradient descent happens in callbacks, at the moments that `core.callback` lists; no method is named here.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn

from core.errors import UserError
from core.events import RunFinished, RunStopped
from core.optim.schedules.schedule import factor
from core.train.memory import explained
from core.train.training import Measured, Training

PAUSE = 0.1
"""Seconds between two looks at the commands while paused."""


def train(training: Training) -> RunFinished | RunStopped:
    """Run until the last step or until somebody stops it.

    Returns:
        `RunFinished` or `RunStopped`, for the caller to send once nothing can go wrong any more.

    Raises:
        UserError: the loss is no number any more, memory ran out, or the result could not be saved.
    """
    for callback in training.callbacks:
        callback.begin()
    training.model.train()
    _rest(training)
    while not training.done and not training.stopping:
        with explained(f"in step {training.progress.step + 1}"):
            make_step(training)
        _rest(training)
    for callback in training.callbacks:
        callback.end()
    step = training.progress.step
    return RunFinished(step) if training.done else RunStopped(step)


def make_step(training: Training) -> None:
    """One optimizer step, in the order of `core.callback`."""
    started = time.perf_counter()
    progress, callbacks = training.progress, training.callbacks
    rate = _set_learning_rate(training)
    for callback in callbacks:
        callback.before_step(progress.step)
    loss, tokens, trained = _backward(training)
    for callback in callbacks:
        callback.after_backward()
    loss_value, norm = _clip(training, loss)
    for callback in callbacks:
        callback.before_optimizer()
    training.scaler.step(training.optimizer)
    training.scaler.update()
    for callback in callbacks:
        callback.after_optimizer()
    for callback in callbacks:
        callback.after_update()

    seconds = time.perf_counter() - started
    progress.step += 1
    progress.seconds += seconds
    progress.tokens += tokens
    progress.trained_tokens += trained
    training.measured = Measured(loss_value, norm, rate, tokens, seconds)
    for callback in callbacks:
        callback.after_step(progress.step)
    training.optimizer.zero_grad(set_to_none=True)


def _rest(training: Training) -> None:
    """Between two steps; while paused, as long as the pause lasts."""
    for callback in training.callbacks:
        callback.at_rest()
    while training.paused and not training.stopping:
        time.sleep(PAUSE)
        for callback in training.callbacks:
            callback.at_rest()


def _set_learning_rate(training: Training) -> float:
    """Give every group its rate for this step, and return the rate without the groups' ratios."""
    train = training.config.train
    rate = train.learning_rate * factor(train.schedule, training.progress.step, train.steps, train.warmup)
    for group in training.optimizer.param_groups:
        group["lr"] = rate * group["ratio"]
    return rate


def _backward(training: Training) -> tuple[Tensor, int, int]:
    """Accumulate the gradients of one step: its mean loss (a scalar on the device), tokens and trained tokens."""
    batches = training.rows.micro_batches(training.progress.step)
    trained, counted = sum(batch.trained for batch in batches), sum(batch.counted for batch in batches)
    loss = torch.zeros((), device=training.precision.device)
    for batch in batches:
        if not batch.trained:
            continue
        with training.precision.autocast():
            share = training.objective(batch) / counted
        training.scaler.scale(share).backward()  # type: ignore[no-untyped-call]
        loss += share.detach()
    if training.scaler.is_enabled():
        training.scaler.unscale_(training.optimizer)
    return loss, sum(batch.tokens for batch in batches), trained


def _clip(training: Training, loss: Tensor) -> tuple[float, float]:
    """Shorten the gradient to `train.clip`; the step's loss and the norm as it was, both as numbers.

    Raises:
        UserError: either is no finite number. Infinite gradients are normal in float16: the scaler leaves that step out
            and lowers its scale.
    """
    parameters = [p for group in training.optimizer.param_groups for p in group["params"] if p.grad is not None]
    norm = nn.utils.get_total_norm([p.grad for p in parameters])
    loss_value, norm_value = torch.stack([loss, norm.to(loss)]).tolist()
    if 0 < training.config.train.clip < norm_value:  # a factor of 1 on every gradient would be a pass for nothing
        nn.utils.clip_grads_with_norm_(parameters, training.config.train.clip, norm)
    if not math.isfinite(loss_value):
        raise _not_finite(training, "loss", loss_value)
    if not math.isfinite(norm_value) and not training.scaler.is_enabled():
        raise _not_finite(training, "gradient", norm_value)
    return loss_value, norm_value


def _not_finite(training: Training, what: str, value: float) -> UserError:
    train, step = training.config.train, training.progress.step + 1
    said = "not a number" if math.isnan(value) else "infinite"
    hints = [f"Lower train.learning_rate (now {train.learning_rate:g}) or lengthen train.warmup (now {train.warmup:g})"]
    if training.precision.scaled:
        hints.append("compute in bfloat16 or float32 instead of float16")
    if train.clip == 0:
        hints.append("set train.clip to 1")
    return UserError(
        f"The {what} became {said} in step {step}; the adapter of that step was thrown away.",
        hint=", or ".join(hints) + ". Checkpoints saved before are intact.",
        path="train.learning_rate",
    )
