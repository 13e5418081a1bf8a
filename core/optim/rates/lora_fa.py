"""LoRA-FA's gradient: what B must do so that the weight moves as full fine-tuning would, within the rows of A.

An ordinary step of B by g moves the weight by s g A. The g that comes nearest to the full gradient G is
(1/s^2) g_B (A A^T)^-1, with g_B the ordinary gradient of B; then the weight moves by G projected on the rows of A. A is
frozen, so the inverse is worked out once, in float64, where the published code takes it anew at every step in bfloat16.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import ParamRole, Rates
from core.callback import Callback
from core.figures.figure import Axis
from core.figures.live.layer_map import LayerMap
from core.figures.live.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from core.adapters.attach import Adapters
    from core.config.run import RunConfig


class LoraFaCorrection(Rates):
    """B's gradient is corrected so that the weight takes the best step its frozen A allows (arXiv:2308.03303, v2).

    With a random A the correction is nearly a plain factor; it matters where the rows of A are far from orthogonal.
    """

    kind = "lora-fa"
    label = "One rate, gradient corrected (LoRA-FA)"
    paper = "2308.03303"
    needs = frozenset({"frozen_a"})
    provides = frozenset({"corrects"})
    because = MappingProxyType({"frozen_a": "the correction is the inverse of A Aᵀ, worked out once"})

    shows = (
        Spread(
            key="lora-fa-cosine",
            title="Cosine of plain and corrected gradient",
            help="1: the correction changes nothing but the length of B's gradient. The lower, the more it matters "
            "that the rows of the frozen A are not orthogonal.",
            paper="2308.03303",
            of={"gradient_cosine": "cosine"},
            value=Axis("Cosine"),
        ),
        LayerMap(
            key="lora-fa-angle",
            title="Turn of the gradient by layer",
            help="Angle between B's gradient as it came and as it was corrected.",
            paper="2308.03303",
            vector="gradient_angle",
            value=Axis("Angle", "degrees"),
        ),
    )

    def ratio(self, role: ParamRole) -> float:
        return 1.0

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Correction(adapters)]


class Correction(Callback):
    """Multiplies the gradients of B by the inverse of A A^T, and remembers how much that turned them.

    Where only the first rows of A are in use (DyLoRA), the inverse is that of their own products.
    """

    def __init__(self, adapters: Adapters) -> None:
        self.layers = [layer for layer in adapters.layers.values() if {"a", "b"} <= layer.own.keys()]
        self.products: list[Tensor] = []
        self.inverses: dict[tuple[int, int], Tensor] = {}
        self.cosines: Tensor | None = None

    @property
    def cosine(self) -> float:
        """Mean over the layers of the cosine between plain and corrected gradient; 1 before the first."""
        return float(self.cosines.nanmean()) if self.cosines is not None else 1.0

    def begin(self) -> None:
        self.inverses.clear()
        factors = [layer.own["a"].detach().double() for layer in self.layers]
        self.products = [a @ a.T for a in factors]

    def after_backward(self) -> None:
        import torch

        cosines: dict[int, Tensor] = {}
        for place, layer in enumerate(self.layers):
            b = layer.own["b"]
            if id(b) in cosines:
                continue  # Layers that share one B (LoRA-drop) share its gradient.
            if b.grad is None:
                cosines[id(b)] = torch.full((), math.nan, device=b.device)
                continue
            corrected = torch.zeros_like(b.grad)
            rank = layer.active_rank
            corrected[:, :rank] = (b.grad[:, :rank] @ self._inverse(place, rank)) / layer.scale**2
            cosines[id(b)] = torch.nn.functional.cosine_similarity(b.grad.flatten(), corrected.flatten(), dim=0)
            b.grad = corrected
        if cosines:
            self.cosines = torch.stack([cosines[id(layer.own["b"])] for layer in self.layers]).float()

    def _inverse(self, place: int, rank: int) -> Tensor:
        """Of the products of the first rows of a layer's A, (rank, rank); worked out once."""
        import torch

        if (place, rank) not in self.inverses:
            found = torch.linalg.pinv(self.products[place][:rank, :rank], hermitian=True)
            self.inverses[place, rank] = found.to(self.layers[place].own["b"].dtype)
        return self.inverses[place, rank]

    def points(self) -> Mapping[str, float]:
        return {"gradient_cosine": self.cosine}

    def vectors(self) -> Mapping[str, Sequence[float]]:
        """By layer, the cosine between plain and corrected gradient, and the angle between them in degrees."""
        if self.cosines is None:
            return {}
        angles = self.cosines.clamp(-1, 1).acos().rad2deg()
        return {"gradient_cosine": self.cosines.tolist(), "gradient_angle": angles.tolist()}
