"""LoHa: the elementwise product of two low-rank matrices, whose rank is up to the square of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.adapters.axis import DenseDelta, Param
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor


class Loha(DenseDelta):
    """dW = scale * (B1 A1) * (B2 A2), number by number (FedPara, arXiv:2108.06098; LoHa, arXiv:2309.14859).

    Reaches rank r² with twice LoRA's numbers. The change has to be formed at every step, at the size of the weight, so
    it takes more memory and time than LoRA; and no factors are left that PEFT's LoRA layout could hold.
    """

    kind = "loha"
    label = "(B1 A1) ∘ (B2 A2) (LoHa)"
    paper = "2108.06098"
    provides = frozenset({"rank"})

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        layer, rank = plan.layer, plan.rank
        return {
            "b1": Param((layer.out_features, rank), role="b", fill="kaiming"),
            "a1": Param((rank, layer.in_features), role="a", fill="kaiming"),
            "b2": Param((layer.out_features, rank), role="b", fill="kaiming"),
            "a2": Param((rank, layer.in_features), role="a", fill="zero"),
        }

    def weight(self, p: Mapping[str, Tensor]) -> Tensor:
        return (p["b1"] @ p["a1"]) * (p["b2"] @ p["a2"])
