"""The singular values of what an adapter adds, and how many of them count.

dW = B A is never formed: with B = Qb Rb and Aᵀ = Qa Ra, the singular values of dW are those of the r x r matrix Rb Raᵀ,
and its singular vectors are those of that matrix carried out by Qb and Qa. Everything is done in float64: it is small,
and the last singular values of a short training are many orders below the first.

Where DoRA rescales rows, dW here is the change of direction alone, which is what has a low rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1e-7
"""Of the largest singular value: what is below is rounding."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The singular value decomposition of a product B A of inner width r, k = min(r, out, in).

    Attributes:
        left: (out, k), orthonormal columns.
        values: (k,), falling.
        right: (in, k), orthonormal columns.
    """

    left: Tensor
    values: Tensor
    right: Tensor

    @property
    def used(self) -> Spectrum:
        """Without the directions that are stretched by nothing: those are whatever the solver has made up."""
        count = rank_of(self.values)
        return Spectrum(self.left[:, :count], self.values[:count], self.right[:, :count])


def spectrum(b: Tensor, a: Tensor) -> Spectrum:
    """The decomposition of b a, for b (out, r) with the scale in it and a (r, in); float64."""
    left, b_inner = torch.linalg.qr(b.detach().double())
    right, a_inner = torch.linalg.qr(a.detach().double().T)
    u, values, v = torch.linalg.svd(b_inner @ a_inner.T, full_matrices=False)
    return Spectrum(left @ u, values, right @ v.T)


def norm(b: Tensor, a: Tensor) -> float:
    """The Frobenius norm of b a, from r x r matrices."""
    b, a = b.detach().double(), a.detach().double()
    return float(((b.T @ b) * (a @ a.T)).sum().clamp_min(0).sqrt())


def rank_of(values: Tensor) -> int:
    """How many singular values, falling, are not zero."""
    return int((values > ROUNDING * values[:1]).sum())


def stable_rank(values: Tensor) -> float:
    """Sum of the squared singular values over the largest of them: 1 to k, deaf to the small ones; 0 for zero."""
    squares = values.double().square()
    top = float(squares.max()) if squares.numel() else 0.0
    return float(squares.sum()) / top if top > 0 else 0.0


def effective_rank(values: Tensor) -> float:
    """exp of the entropy of the singular values as shares of their sum: 1 to k; 0 for zero (Roy and Vetterli, 2007)."""
    values = values.double()
    total = float(values.sum())
    return float(torch.special.entr(values / total).sum().exp()) if total > 0 else 0.0
