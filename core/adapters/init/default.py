"""The start that the delta itself declares."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from core.adapters.axis import Init, Param

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Default(Init):
    """Each delta's own start. For LoRA: A uniform in ±1/sqrt(in), B zero, so the first output is the base model's.

    The variance of A follows 1/in, which is what the analyses of learning rates assume.
    """

    kind = "default"
    label = "A random, B zero"
    paper = "2106.09685"

    def fill(self, name: str, param: Param, generator: Generator) -> Tensor:
        return start(param, generator)


def start(param: Param, generator: Generator) -> Tensor:
    """The declared first value of a tensor, in float32 on the CPU."""
    import torch

    value = torch.zeros(param.shape)
    if param.fill == "kaiming":
        bound = 1 / math.sqrt(param.shape[-1])
        value.uniform_(-bound, bound, generator=generator)
    elif param.fill == "normal":
        value.normal_(0.0, param.std, generator=generator)
    elif param.fill == "constant":
        value.fill_(param.std)
    return value
