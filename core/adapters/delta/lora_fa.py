"""LoRA-FA: LoRA with its in-side factor frozen."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Delta, Param
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor


class LoraFrozenA(Delta):
    """LoRA whose A keeps its random start; only B is trained (arXiv:2308.03303).

    The backward pass needs the r numbers that A makes of an input, not the input itself: much less to keep in memory on
    long sequences. Dropout before A takes that saving away again.
    """

    kind = "lora-fa"
    label = "B A, A frozen (LoRA-FA)"
    paper = "2308.03303"
    provides = frozenset({"factors", "rank", "own_rank", "frozen_a", "sliced"})
    because = dict.fromkeys(("both_factors", "pair"), "its A stays as it was drawn")
    wary = MappingProxyType(
        {
            "dropout": "Dropout before LoRA-FA's frozen A keeps a mask as large as the layer's input, and so takes "
            "away the memory that is saved: set adapter.dropout to 0.",
            "follows": "A base that follows B over a frozen A is in no paper: it moves within the rows of A alone.",
            "shares_layers": "LoRA-drop over a frozen A is in no paper: layers that were dropped share one drawn A as "
            "well as B.",
            "every_rank": "Ranks that are drawn over a frozen A are in no paper: only the columns of B get an order, "
            "the rows of A stay as they were drawn.",
        }
    )

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        layer = plan.layer
        return {
            "a": Param((plan.rank, layer.in_features), role="a", fill="kaiming", trainable=False, rank_dim=0),
            "b": Param((layer.out_features, plan.rank), role="b", fill="zero", rank_dim=1),
        }

    def factors(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return p["b"], p["a"]

    def over_frozen(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return p["b"], p["a"]
