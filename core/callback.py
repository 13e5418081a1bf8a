"""The moments of a training at which somebody may act.

The trainer calls every callback at every moment, in the order of the list; a callback overrides the moments it cares
about. What it works on it was given when it was made, so that the members of the axes (a rank schedule, an update of
the base, a correction of gradients) can contribute callbacks without knowing the trainer, and the trainer knows no
method by name.

Inside one optimizer step the moments come in this order:

    before_step       nothing has happened yet
    after_backward    gradients are whole and unscaled: correct them (LoRA-FA)
                      ... the trainer clips ...
    before_optimizer  take snapshots of what is about to change (Delta-LoRA, AdaLoRA)
                      ... the optimizer steps ...
    after_optimizer   put back what must not have moved (DyLoRA), then change the base (Delta-LoRA)
    after_update      importance and masks (AdaLoRA), then forget norms that were kept (DoRA)
    after_step        measure; gradients are still there
                      ... the trainer drops the gradients ...
    at_rest           between two steps, and once before the first: evaluate, sample, save, obey
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


class Callback:
    """Somebody who acts during a training. Every method does nothing unless overridden."""

    name: str = ""
    """Under which a checkpoint keeps its state; only needed by those that have one."""

    def meet(self, optimizer: Optimizer) -> None:
        """Once, when the training has been put together, and before it is restored: who moves the parameters."""

    def begin(self) -> None:
        """Once, before anything else in the training; a resumed run has been restored by then."""

    def before_step(self, step: int) -> None:
        """Before the forward pass of the 0-based `step`."""

    def after_backward(self) -> None:
        """All gradients of the step are there, unscaled and not clipped yet."""

    def before_optimizer(self) -> None:
        """The gradients are final."""

    def after_optimizer(self) -> None:
        """The optimizer has moved the parameters."""

    def after_update(self) -> None:
        """Adapter and base have their new values."""

    def after_step(self, step: int) -> None:
        """`step` steps are done; the gradients of the last are still there."""

    def at_rest(self) -> None:
        """Between two steps, once before the first, and again and again while paused."""

    def after_evaluation(self, loss: float, best: bool) -> None:
        """The held-out loss was measured; `best` says that none was lower."""

    def end(self) -> None:
        """Once, after the last step or the stop, unless an error ended the run."""

    def points(self) -> Mapping[str, float]:
        """Scalars of its own to be measured after this step, by curve key."""
        return {}

    def vectors(self) -> Mapping[str, Sequence[float]]:
        """One number per adapted layer of its own to be measured after this step, by key."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must keep for it; numbers go in as tensors."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
