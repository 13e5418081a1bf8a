"""VeRA: one random pair of matrices for all layers, and two trained vectors for each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Delta, Param
from core.component import option
from core.figures.figure import Axis
from core.figures.live.layer_map import LayerMap
from core.figures.live.spread import Spread
from core.layers import LayerPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from core.adapters.adapted import Adapted


class Vera(Delta):
    """dW = diag(lambda_b) B diag(lambda_d) A with one frozen random A and B for all layers (arXiv:2310.11454).

    Trains out + r numbers a layer: adapters of kilobytes. It takes high ranks (256 and more) and learning rates about
    ten times LoRA's. It has no alpha.
    """

    kind = "vera"
    label = "Shared random B A, two vectors (VeRA)"
    paper = "2310.11454"
    needs = frozenset({"unit_scale"})
    provides = frozenset({"factors", "rank", "frozen_a", "shared", "sliced"})
    pace = 10.0
    breadth = 32.0
    because = MappingProxyType(
        {
            "both_factors": "its A and B are frozen, and its two vectors are no such pair",
            "pair": "its A and B are frozen, and its two vectors are no such pair",
            "own_rank": "its A and B are shared by all layers",
            "triplets": "its A and B are shared by all layers, so that taking rank from one of them saves nothing",
            "unit_scale": "it has no alpha, and adapter.delta.d_initial says how strongly it starts",
        }
    )
    wary = MappingProxyType(
        {
            "every_rank": "VeRA with ranks that are drawn is in no paper: its random directions have no order, so the "
            "first ones are no better than others.",
            "follows": "A base that follows VeRA's change is only VeRA at a larger scale, 1 + λ from where it begins: "
            "take VeRA with a larger adapter.delta.d_initial instead.",
            "shares_layers": "LoRA-drop over VeRA saves next to nothing: little is left for layers to share, which "
            "have one pair together already.",
            "corrects": "Correcting gradients changes nothing here: VeRA's A and B are both frozen already, and it is "
            "VeRA all the same.",
        }
    )

    shows = (
        LayerMap(
            key="vera-b",
            title="Vector b by layer",
            help="Mean size of the numbers in b, which start at 0 and weigh the outputs: where it stays dark, the "
            "layer adds nothing.",
            paper="2310.11454",
            vector="vera_b",
            value=Axis("Mean of |b|"),
        ),
        LayerMap(
            key="vera-d",
            title="Vector d by layer",
            help="How far the numbers in d, which weigh the random directions, have moved from their first value.",
            paper="2310.11454",
            vector="vera_d_change",
            value=Axis("Mean change of d", "%"),
        ),
        Spread(
            key="vera-range",
            title="Range of vector d",
            help="Smallest, mean and largest number in d, in the middle layer: directions near 0 or below it have been "
            "switched off or turned around.",
            paper="2310.11454",
            of={"vera_d_largest": "largest", "vera_d_mean": "mean", "vera_d_smallest": "smallest"},
            value=Axis("d"),
        ),
    )

    d_initial: float = option(0.1, "Start of lambda_d", "First value of the scale on the inner vector.", gt=0, le=1e6)

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

    def over_frozen(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        # The two vectors first: then autograd keeps them, and not a product of B's size.
        return p["b"] * (p["lambda_b"][:, None] * p["lambda_d"]), p["a"]

    def measured(self, layers: Sequence[Adapted]) -> Mapping[str, NDArray[np.float32]]:
        from core.adapters.norms import by_layer

        inner = [(layer.own["lambda_d"].detach(),) for layer in layers]
        return {
            "vera_b": by_layer([(layer.own["lambda_b"].detach(),) for layer in layers], lambda b: b.abs().mean(1)),
            "vera_d_change": by_layer(inner, lambda d: 100 * (d / self.d_initial - 1).abs().mean(1)),
            "vera_d_mean": by_layer(inner, lambda d: d.mean(1)),
            "vera_d_smallest": by_layer(inner, lambda d: d.amin(1)),
            "vera_d_largest": by_layer(inner, lambda d: d.amax(1)),
        }
