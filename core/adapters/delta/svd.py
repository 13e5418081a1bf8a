"""AdaLoRA's form of the change: singular directions with a value each, which a budget can switch off."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Delta, Param
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor


class Svd(Delta):
    """dW = scale * P diag(lambda) Q, a singular value decomposition in the making (AdaLoRA, arXiv:2303.10512).

    A triplet whose lambda is zero costs nothing and can come back; how many are left is the rank schedule's business.
    """

    kind = "svd"
    label = "P λ Q (AdaLoRA)"
    paper = "2303.10512"
    provides = frozenset({"factors", "rank", "triplets", "pair"})
    because = MappingProxyType(
        {
            "both_factors": "its P and Q are joined by values that a budget may set to zero",
            "own_rank": "its triplets all start at λ = 0, and their number is the budget's to say",
            "sliced": "no order is among its triplets, which are kept by their importance",
            "frozen_a": "both of its factors are trained",
        }
    )
    wary = MappingProxyType(
        {
            "rates_apart": "LoRA+ over P λ Q is in no paper: P and λ learn at the fast rate, Q at the given one.",
        }
    )

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        layer, rank = plan.layer, plan.rank
        return {
            "p": Param((layer.out_features, rank), role="b", fill="normal", std=0.02, rank_dim=1),
            "lam": Param((rank,), role="value", fill="zero", rank_dim=0),
            "q": Param((rank, layer.in_features), role="a", fill="normal", std=0.02, rank_dim=0),
        }

    def factors(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return p["p"] * p["lam"], p["q"]
