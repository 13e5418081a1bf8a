"""Which directions of W an adapter turns up: table 7 of the LoRA paper (arXiv:2106.09685, section 7.3).

W is projected on r directions in and out: those of dW itself, W's own strongest, or random ones. If dW's own directions
carry little of W (more than random ones, far less than the strongest), then the adapter amplifies what the base
model knew and did not stress. The factor is ||dW|| / ||Uᵀ W V||.

Only W V, of shape (out, r), is worked out; dW is never formed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.insight.spectra import spectrum

EXACT = 2048
"""Up to this smaller side W's own singular values are worked out exactly, beyond it by a randomised iteration."""
ITERATIONS, SPARE = 6, 16
"""Of that iteration: passes over W, and directions beyond those asked for."""


@dataclass(frozen=True, slots=True)
class Amplification:
    """One row of the table: norms of W on r directions of three kinds, and what they are held against.

    Attributes:
        rank: how many directions.
        own: ||Uᵀ W V|| on the directions of dW.
        strongest: on the top r of W.
        random: what random directions give on average.
        weight: ||W||.
        delta: ||dW|| of the top r directions of dW, scale included.
    """

    rank: int
    own: float
    strongest: float
    random: float
    weight: float
    delta: float

    @property
    def factor(self) -> float:
        """How much dW amplifies its directions; infinite where W has nothing there, nan where dW is zero."""
        if self.own > 0:
            return self.delta / self.own
        return math.inf if self.delta > 0 else math.nan


def amplification(weight: Tensor, b: Tensor, a: Tensor, *, rank: int | None = None) -> Amplification:
    """The row for one layer.

    Args:
        weight: W, (out, in).
        b, a: the factors of dW, (out, r) with the scale in it, and (r, in).
        rank: how many directions; None takes all that dW has.
    """
    found = spectrum(b, a).used
    count = min(rank or len(found.values), len(found.values))
    weight = weight.detach().double()
    left, right = found.left[:, :count], found.right[:, :count]
    size = float(torch.linalg.matrix_norm(weight))
    return Amplification(
        rank=count,
        own=float(torch.linalg.matrix_norm(left.T @ (weight @ right))),
        strongest=float(strongest(weight, count).norm()),
        random=random_norm(size, count, *weight.shape),
        weight=size,
        delta=float(found.values[:count].norm()),
    )


def random_norm(size: float, rank: int, outputs: int, inputs: int) -> float:
    """The norm (root of its mean square) of a matrix of this shape and size on `rank` random directions in and out."""
    return rank * size / math.sqrt(outputs * inputs)


def strongest(weight: Tensor, count: int) -> Tensor:
    """The largest singular values of (out, in) W, (count,)."""
    if min(weight.shape) <= EXACT:
        exact: Tensor = torch.linalg.svdvals(weight)
        return exact[:count]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        values: Tensor = torch.svd_lowrank(weight, q=count + SPARE, niter=ITERATIONS)[1]
    return values[:count]
