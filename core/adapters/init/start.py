"""The first values that a declaration can ask for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


def start(shape: tuple[int, ...], fill: str, std: float, generator: Generator) -> Tensor:
    """The first value of a tensor, in float32 on the CPU; `fill` and `std` as `Param` explains them."""
    import torch

    value = torch.zeros(shape)
    if fill in ("kaiming", "he"):
        bound = math.sqrt((1 if fill == "kaiming" else 6) / shape[-1])
        value.uniform_(-bound, bound, generator=generator)
    elif fill == "normal":
        value.normal_(0.0, std, generator=generator)
    elif fill == "constant":
        value.fill_(std)
    return value
