"""AdamW as bitsandbytes has it: what its members share.

Its state is kept in 8 bits by blocks of 256, or in pages that a graphics card can lend to the main memory, or both. On
a processor the same arithmetic runs without pages. Tensors of fewer than 4096 numbers keep 32 bits in any case.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from core import kernels
from core.errors import UserError
from core.optim.optimizers.adam import Adam
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.optim import Optimizer as TorchOptimizer

PATH = "train.optimizer"
REMEDY = "Set train.optimizer to adamw, which needs nothing else, or install bitsandbytes."


class SmallState(Adam):
    """AdamW by bitsandbytes."""

    bits: ClassVar[int]
    """Of a number of its state."""
    paged: ClassVar[bool]
    """Whether a graphics card may move the state out of its memory."""

    def objections(self, device: str) -> Iterator[Problem]:
        if not kernels.installed():
            text = f"The optimizer {self.label} comes with bitsandbytes, which is not installed."
            yield Problem(PATH, text, REMEDY)
        elif device == "mps":
            text = f"bitsandbytes has no {self.label} for Apple GPUs."
            yield Problem(PATH, text, "Set train.optimizer to adamw.")
        elif self.paged and device == "cpu":
            text = f"On a processor there is nothing to page: {self.label} keeps its state where it is."
            yield Problem(PATH, text, "AdamW does the same here.", blocking=False)

    def build(self, groups: list[dict[str, Any]]) -> TorchOptimizer:
        library = kernels.bitsandbytes()
        if library is None:
            raise UserError(f"The optimizer {self.label} needs bitsandbytes, which cannot be loaded.", hint=REMEDY)
        # Said beforehand, in `objections`; the library would say it once more at the first step, as a Python warning.
        warnings.filterwarnings("ignore", message="Paged optimizers are not supported on CPU")
        optimizer: TorchOptimizer = library.optim.AdamW(
            groups, betas=(self.beta1, self.beta2), eps=self.epsilon, optim_bits=self.bits, is_paged=self.paged
        )
        optimizer.register_step_post_hook(_tell_torch)
        return optimizer

    def bytes_per_parameter(self) -> float:
        return 8.0 if self.bits == 32 else 2 * (1 + 4 / 256)


def _tell_torch(optimizer: TorchOptimizer, args: Any, kwargs: Any) -> None:
    """Count the change of the parameters, which the library makes behind torch's back.

    Whatever is worked out from a parameter once per change (DoRA's norms) would otherwise stay as it was for good.
    """
    from torch.autograd.graph import increment_version

    for group in optimizer.param_groups:
        increment_version(parameter for parameter in group["params"] if parameter.grad is not None)
