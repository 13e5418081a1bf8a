"""A short training of all candidate layers on a sample of the data, to find out which of them are worth it.

LoRA starts with an output of zero everywhere, so nothing can be said about its layers before it has learned a little.
The probe is the real training, with the same callbacks of the method, only shorter and unsaved: nothing of it is kept
but what is measured at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.callback import Callback
from core.config.edit import replaced
from core.config.run import RunConfig
from core.data.tokens import TokenList
from core.errors import Cancelled
from core.train.callbacks.evaluating import Evaluating
from core.train.callbacks.measuring import Measuring
from core.train.callbacks.sampling import Sampling
from core.train.callbacks.saving import Saving
from core.train.trainer import train
from core.train.training import Training

MOST = 1024
"""Examples in a sample at most: a mean over that many hardly moves with more."""
LEAST = 8
"""And at least, where there are so many."""
CURVE = "probe_loss"
"""The curve of the probe's own loss."""

_WATCHERS = (Measuring, Evaluating, Sampling, Saving)


def sample(examples: TokenList, ratio: float, seed: int) -> TokenList:
    """A part of the examples, the same for the same seed: one at random of each stratum of equal lengths.

    Text has no classes to stratify by; its length is what differs most, so short and long ones keep their proportion.
    """
    size = min(len(examples), max(LEAST, min(MOST, round(ratio * len(examples)))))
    order = np.argsort(examples.lengths, kind="stable")
    generator = np.random.default_rng([seed, size])
    chosen: NDArray[np.int64] = np.array(
        [generator.choice(stratum) for stratum in np.array_split(order, size)], dtype=np.int64
    )
    return examples.pick(np.sort(chosen))


def shortened(config: RunConfig, steps: int) -> RunConfig:
    """The configuration of a probe of so many steps: the schedule runs its whole course in them."""
    return replaced(config, {"train.steps": steps})


def run(training: Training, tell: Callable[[int, float], None], extra: Sequence[Callback] = ()) -> None:
    """Train what was assembled, saving and measuring nothing.

    Args:
        training: with the configuration of the probe.
        tell: given each step's number and loss; may raise to end the probe.
        extra: who else looks on.

    Raises:
        Cancelled: the user stopped it.
    """
    acting = [callback for callback in training.callbacks if not isinstance(callback, _WATCHERS)]
    training.callbacks = [*acting, *extra, _Telling(training, tell)]
    train(training)
    if training.stopping:
        raise Cancelled("The run was stopped before its first step.")


class _Telling(Callback):
    """Hands on the loss of every step."""

    def __init__(self, training: Training, tell: Callable[[int, float], None]) -> None:
        self.training = training
        self.tell = tell

    def after_step(self, step: int) -> None:
        assert self.training.measured is not None
        self.tell(step, self.training.measured.loss)
