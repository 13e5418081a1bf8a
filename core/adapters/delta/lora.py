"""LoRA: the change of a weight as a product of two thin matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.adapters.axis import Delta, Param
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor


class Lora(Delta):
    """Two trained matrices per layer: A brings the input down to r numbers, B brings them up again (arXiv:2106.09685).

    The base stays frozen, and dW = scale * B A can be added into it afterwards at no cost for inference.
    """

    kind = "lora"
    label = "B A (LoRA)"
    paper = "2106.09685"
    provides = frozenset({"factors", "rank", "own_rank", "both_factors", "pair", "sliced"})

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        layer = plan.layer
        return {
            "a": Param((plan.rank, layer.in_features), role="a", fill="kaiming", rank_dim=0),
            "b": Param((layer.out_features, plan.rank), role="b", fill="zero", rank_dim=1),
        }

    def factors(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return p["b"], p["a"]
