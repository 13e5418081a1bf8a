"""VeRA: one random pair of matrices for all layers, and two trained vectors for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.adapters.axis import Delta, Param
from core.component import option
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor


class Vera(Delta):
    """dW = diag(lambda_b) B diag(lambda_d) A with one frozen random A and B for all layers (arXiv:2310.11454).

    Trains out + r numbers a layer: adapters of kilobytes. It takes high ranks (256 and more) and learning rates about
    ten times LoRA's. It has no alpha.
    """

    kind = "vera"
    label = "Shared random B A, two vectors (VeRA)"
    paper = "2310.11454"
    needs = frozenset({"unit_scale"})
    provides = frozenset({"factors", "rank", "frozen_a", "shared"})

    d_initial: float = option(0.1, "Start of lambda_d", "First value of the scale on the inner vector.", gt=0)

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        layer, rank = plan.layer, plan.rank
        return {
            "a": Param((rank, layer.in_features), role="a", fill="he", trainable=False, shared="vera_a", rank_dim=0),
            "b": Param((layer.out_features, rank), role="b", fill="he", trainable=False, shared="vera_b", rank_dim=1),
            "lambda_d": Param((rank,), role="vector", fill="constant", std=self.d_initial, rank_dim=0),
            "lambda_b": Param((layer.out_features,), role="vector", fill="zero"),
        }

    def factors(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return p["lambda_b"][:, None] * p["b"], p["lambda_d"][:, None] * p["a"]

    def branch(self, p: Mapping[str, Tensor], x: Tensor, scale: float) -> Tensor:
        return (((x @ p["a"].T) * (p["lambda_d"] * scale)) @ p["b"].T) * p["lambda_b"]
