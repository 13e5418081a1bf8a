"""Starts other than zero: B0 A0 is taken out of the base weight, and trained in its place.

The papers write the residual W - s B0 A0 over the base weight. Here the base is left as it is, and the layer adds the
product -s B0 A0, frozen, beside the trained s B A: the same function and the same gradients. So switching the adapter
off is the base model to the bit, no second copy of any weight is held, and what was learned is stated against the
original weight, s (B A - B0 A0), which is a LoRA of rank 2r wherever it goes. It is written as
s ((B - B0) A + B0 (A - A0)), in which nothing large cancels.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Init, Param
from core.adapters.init.from_start import FROM_START, from_start
from core.adapters.init.start import start
from core.layers import LayerPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Generator, Tensor

    from core.adapters.adapted import Adapted


class Offset(Init):
    """What starts have in common that take a product of low rank out of the base; others say what it is."""

    needs = frozenset({"factors", "own_rank", "float_base", "fixed_rank", "own_layers"})
    provides = frozenset({"offset"})
    pace = 0.1
    shows = (FROM_START,)
    because = MappingProxyType(
        {
            "fixed_rank": "all r directions are taken out of the weight at the start, and at a lower rank only some of "
            "them would be put back",
            "float_base": "a part is taken out of the weight before the training, which the few bits of codes cannot "
            "follow; start on the dense model instead",
            "own_rank": "they start as a part of the weight or of its gradient",
        }
    )

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        layer = plan.layer
        return {
            "start_a": Param((plan.rank, layer.in_features), role="a", trainable=False, rank_dim=0),
            "start_b": Param((layer.out_features, plan.rank), role="b", trainable=False, rank_dim=1),
        }

    def fill(self, name: str, param: Param, generator: Generator) -> Tensor:
        return start(param.shape, param.fill, param.std, generator)

    def measured(self, layers: Sequence[Adapted]) -> Mapping[str, NDArray[np.float32]]:
        return from_start(layers)

    def carried(self, layer: Adapted) -> tuple[Tensor, Tensor]:
        first = layer.own["start_b"]
        return layer.derived("start_b", lambda: -first, of=(first,)), layer.own["start_a"]

    def since(self, layer: Adapted, b: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        first_b, first_a = layer.own["start_b"], layer.own["start_a"]
        return torch.cat((b - first_b, first_b), 1), torch.cat((a, a - first_a))


class Subtracted(Offset):
    """What the starts have in common that are a part of the weight itself; a member says what B0 and A0 are."""

    def split(self, weight: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:
        """`(B0, A0)` of at most this rank, (out, k) and (k, in), from a float32 weight; scale * B0 A0 leaves it."""
        raise NotImplementedError

    def begin(self, layer: Adapted) -> None:
        import torch

        with torch.no_grad():
            b, a = self.split(layer.base_weight().float(), layer.plan.rank, layer.scale)
            for name, factor in (("a", a), ("b", b)):
                # A rank beyond the weight's own has nothing to start from: those directions stay zero.
                whole = torch.zeros_like(layer.own[name])
                whole[tuple(slice(size) for size in factor.shape)] = factor
                layer.own[name].copy_(whole)
                layer.own[f"start_{name}"].copy_(whole)
