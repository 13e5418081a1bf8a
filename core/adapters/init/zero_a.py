"""The other way to start LoRA from nothing: A zero, B random."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Init, Param
from core.adapters.init.start import start

if TYPE_CHECKING:
    from torch import Generator, Tensor


class ZeroA(Init):
    """A zero, B random with variance 1/(3r): the same first output, but the first step moves A (arXiv:2406.08447).

    More stable inside the layer at large learning rates, but B is trained less; on average the usual start does better.
    """

    kind = "zero-a"
    label = "B random, A zero"
    paper = "2406.08447"
    needs = frozenset({"both_factors"})
    provides = frozenset({"seeded_start"})
    because = MappingProxyType(
        {"both_factors": "an A that is zero and never changes keeps the adapter at zero for good"}
    )

    def fill(self, name: str, param: Param, generator: Generator) -> Tensor:
        swapped = {"a": "zero", "b": "kaiming"}.get(param.role, param.fill)
        return start(param.shape, swapped, param.std, generator)
