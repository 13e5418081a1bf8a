"""LoHa: the elementwise product of two low-rank matrices, whose rank is up to the square of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.adapters.axis import DenseDelta, Param
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor

    from core.adapters.fused import Frozen

THIN = 2
"""How many times cheaper in multiplications the thin form must be than one product with the weight to be taken."""


class Loha(DenseDelta):
    """dW = scale * (B1 A1) * (B2 A2), number by number (FedPara, arXiv:2108.06098; LoHa, arXiv:2309.14859).

    Reaches rank r² with twice LoRA's numbers. Small ranks are worked out as one thin product of rank r², large ones by
    forming the change at the size of the weight, which takes more memory and time than LoRA; no factors are left that
    PEFT's LoRA layout could hold.
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

    def linear(self, p: Mapping[str, Tensor], x: Tensor, frozen: Frozen, scale: float) -> Tensor:
        from core.adapters.fused import low_rank_linear

        (rank, columns), rows = p["a1"].shape, len(p["b1"])
        if THIN * rank * rank * (rows + columns) > rows * columns:
            return super().linear(p, x, frozen, scale)
        b, a = thin(p)
        return low_rank_linear(x, frozen, a, b, scale)

    def products(self, p: Mapping[str, Tensor]) -> Sequence[tuple[Tensor, Tensor]]:
        return (thin(p),)

    def weight(self, p: Mapping[str, Tensor]) -> Tensor:
        return (p["b1"] @ p["a1"]) * (p["b2"] @ p["a2"])


def thin(p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """`(B', A')` of shapes (out, r²) and (r², in) with dW = B' A'.

    (sum_j b1_ij a1_jn) (sum_k b2_ik a2_kn) is a sum over all pairs (j, k): row by row every column of B1 times every
    column of B2, and likewise the rows of A1 and A2.
    """
    b = p["b1"][:, :, None] * p["b2"][:, None, :]
    a = p["a1"][:, None, :] * p["a2"][None, :, :]
    return b.flatten(1), a.flatten(0, 1)
