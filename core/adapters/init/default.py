"""The start that the delta itself declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.axis import Init, Param
from core.adapters.init.start import start

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Default(Init):
    """Each delta's own start. For LoRA: A uniform in ±1/sqrt(in), B zero, so the first output is the base model's.

    The variance of A follows 1/in, which is what the analyses of learning rates assume.
    """

    kind = "default"
    label = "The delta's own"
    paper = "2106.09685"
    provides = frozenset({"seeded_start"})

    def fill(self, name: str, param: Param, generator: Generator) -> Tensor:
        return start(param.shape, param.fill, param.std, generator)
