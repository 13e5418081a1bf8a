"""What AdaLoRA's two forms of the change have in common; a member says whether Q is trained."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from core.adapters.axis import Delta, Param
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor


class Triplets(Delta):
    """dW = scale * P diag(lambda) Q; a triplet is a column of P, its lambda and a row of Q."""

    paper = "2303.10512"
    provides = frozenset({"factors", "rank", "triplets"})
    because = MappingProxyType(
        {
            "both_factors": "its P and Q are joined by values that a budget may set to zero",
            "own_rank": "its triplets all start at λ = 0, and their number is the budget's to say",
            "sliced": "no order is among its triplets, which are kept by their importance",
            "frozen_a": "the correction is that of one B beside A, and here both P and λ are trained",
        }
    )
    wary = MappingProxyType(
        {
            "rates_apart": "LoRA+ over P λ Q is in no paper: P and λ learn at the fast rate, Q at the given one.",
            "follows": "A base that follows P λ Q is in no paper: it takes up what P, λ and Q make together.",
            "shares_layers": "LoRA-drop over P λ Q is in no paper: layers that were dropped share all three.",
        }
    )
    trains_q: ClassVar[bool] = True

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        layer, rank = plan.layer, plan.rank
        return {
            "p": Param((layer.out_features, rank), role="b", fill="normal", std=0.02, rank_dim=1),
            "lam": Param((rank,), role="value", fill="zero", rank_dim=0),
            "q": Param(
                (rank, layer.in_features), role="a", fill="normal", std=0.02, trainable=self.trains_q, rank_dim=0
            ),
        }

    def factors(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return p["p"] * p["lam"], p["q"]
