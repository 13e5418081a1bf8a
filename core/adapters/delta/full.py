"""Full fine-tuning of the chosen layers: the change of a weight is a matrix of its own size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.adapters.axis import DenseDelta, Param
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor


class Full(DenseDelta):
    """Every number of the chosen weights is trained: the yardstick that the other methods are measured against.

    The frozen weight stays beside the trained one, and their difference is what is saved: it can be looked at, switched
    off and merged like any other adapter. It has no rank and no alpha. Take a learning rate about ten times below
    LoRA's. Weight decay draws the weights themselves towards 0; with dropout, which sees the change alone, the change.
    Embeddings are not trained; biases or norms are where the selection says so.
    """

    kind = "full"
    label = "Dense (full fine-tuning)"
    needs = frozenset({"unit_scale", "float_base"})
    provides = frozenset({"whole"})
    pace = 0.1
    itself = "change"

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        return {"change": Param((plan.layer.out_features, plan.layer.in_features), role="weight", fill="zero")}

    def weight(self, p: Mapping[str, Tensor]) -> Tensor:
        return p["change"]
