"""LoRA-FA's gradient: what B must do so that the weight moves as full fine-tuning would, within the rows of A.

An ordinary step of B by g moves the weight by s g A. The g that comes nearest to the full gradient G is
(1/s^2) g_B (A A^T)^-1, with g_B the ordinary gradient of B; then the weight moves by G projected on the rows of A. A is
frozen, so the inverse is worked out once, in float64, where the published code takes it anew at every step in bfloat16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.axis import ParamRole, Rates
from core.callback import Callback

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    needs = frozenset({"frozen_a", "rank", "own_rank"})

    def ratio(self, role: ParamRole) -> float:
        return 1.0

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Correction(adapters)]


class Correction(Callback):
    """Multiplies the gradients of B by the inverse of A A^T, and remembers how much that turned them."""

    def __init__(self, adapters: Adapters) -> None:
        self.layers = list(adapters.layers.values())
        self.inverses: list[Tensor] = []
        self.cosine = 1.0

    def begin(self) -> None:
        import torch

        for layer in self.layers:
            a = layer.own["a"].detach().double()
            self.inverses.append(torch.linalg.pinv(a @ a.T, hermitian=True).to(layer.own["b"].dtype))

    def after_backward(self) -> None:
        import torch

        cosines = []
        for layer, inverse in zip(self.layers, self.inverses, strict=True):
            b = layer.own["b"]
            if b.grad is not None:
                corrected = (b.grad @ inverse) / layer.scale**2
                cosines.append(torch.nn.functional.cosine_similarity(b.grad.flatten(), corrected.flatten(), dim=0))
                b.grad = corrected
        self.cosine = float(torch.stack(cosines).mean()) if cosines else 1.0

    def points(self) -> Mapping[str, float]:
        return {"gradient_cosine": self.cosine}
