"""LoKr: the Kronecker product of a small and a large matrix, the large one of low rank where that saves numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from core.adapters.axis import DenseDelta, Param
from core.component import option
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor

    from core.adapters.fused import Frozen


class Lokr(DenseDelta):
    """dW = scale * C ⊗ D, with D = B A of low rank (KronA, arXiv:2212.10650; LoKr, arXiv:2309.14859).

    Very small adapters of high rank. Where r is half the longer side of D or more, D is trained whole and a larger r
    changes nothing but alpha / r. Almost as quick as LoRA, but no factors are left that PEFT's LoRA layout could hold.
    """

    kind = "lokr"
    label = "C ⊗ B A (LoKr)"
    paper = "2212.10650"
    provides = frozenset({"rank"})
    formula: ClassVar[str] = "c·d + r·(out/c + in/d)"

    factor: int = option(
        0, "Factor", "Largest side of the small matrix C; 0 takes what is nearest to the square root.", ge=0
    )

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        rows, columns = divided(plan.layer.out_features, self.factor), divided(plan.layer.in_features, self.factor)
        small = {"c": Param((rows[0], columns[0]), role="weight", fill="zero")}
        if plan.rank >= max(rows[1], columns[1]) / 2:
            return {**small, "d": Param((rows[1], columns[1]), role="weight", fill="kaiming")}
        return {
            **small,
            "d_b": Param((rows[1], plan.rank), role="b", fill="kaiming"),
            "d_a": Param((plan.rank, columns[1]), role="a", fill="kaiming"),
        }

    def weight(self, p: Mapping[str, Tensor]) -> Tensor:
        import torch

        return torch.kron(p["c"], _large(p))

    def products(self, p: Mapping[str, Tensor]) -> Sequence[tuple[Tensor, Tensor]]:
        return _as_product(p["c"]), _factors(p)

    def branch(self, p: Mapping[str, Tensor], x: Tensor, scale: float) -> Tensor:
        """With inputs and outputs as small matrices Y = C X Dᵀ: the change itself is never formed."""
        c = p["c"] * scale
        h = x.reshape(*x.shape[:-1], c.shape[1], -1) @ (p["d"] if "d" in p else p["d_a"]).T
        y: Tensor = (h.mT @ c.T).mT
        return (y if "d" in p else y @ p["d_b"].T).flatten(-2)

    def linear(self, p: Mapping[str, Tensor], x: Tensor, frozen: Frozen, scale: float) -> Tensor:
        from core.adapters.kronecker import kronecker_linear

        return kronecker_linear(x, frozen, p["c"], *_factors(p), scale)


def _large(p: Mapping[str, Tensor]) -> Tensor:
    """D, whole."""
    return p["d"] if "d" in p else p["d_b"] @ p["d_a"]


def _factors(p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """D as a product of two."""
    return _as_product(p["d"]) if "d" in p else (p["d_b"], p["d_a"])


def _as_product(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """A small matrix as a product with an identity, over its shorter side."""
    import torch

    rows, columns = matrix.shape
    one = torch.eye(min(rows, columns), dtype=matrix.dtype, device=matrix.device)
    return (one, matrix) if rows < columns else (matrix, one)


def divided(size: int, factor: int) -> tuple[int, int]:
    """A size as the product of two, the smaller first: as near as can be to one another, or the factor if it divides.

    Args:
        size: to be divided.
        factor: the largest that the first may be; 0 sets no bound.
    """
    if factor and size % factor == 0:
        return factor, size // factor
    bound = min(factor or size, math.isqrt(size))
    first = max(number for number in range(1, bound + 1) if size % number == 0)
    return first, size // first
