"""How much two adapters look the same way: phi of the LoRA paper, section 7.2 (arXiv:2106.09685).

    phi(i, j) = ||U1(i)ᵀ U2(j)||² / min(i, j)

with U(i) the first i singular directions: 1 where the smaller subspace lies inside the larger, 0 where they are
orthogonal. Two random subspaces of a space of `width` dimensions give max(i, j) / width on average, which is the line
that a finding has to stand above.

What is compared decides what is seen. A alone is what the paper draws, but A starts random: directions that were never
used have not moved, so half of its spectrum is the start. A - A0 shows what was learned of it, and the right side of
dW = B A what the layer really does; the left side of dW says where it writes. Directions that nothing stretches (of
ranks that AdaLoRA took away, of layers that have not moved) are no directions, and are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.insight.spectra import rank_of, spectrum


def directions(a: Tensor) -> Tensor:
    """The right-singular vectors of a (r, in), most stretched first: (in, rank of a) with orthonormal columns."""
    _, values, right = torch.linalg.svd(a.detach().double(), full_matrices=False)
    found: Tensor = right[: rank_of(values)].T
    return found


def read_directions(b: Tensor, a: Tensor) -> Tensor:
    """The directions of the input that b a looks at, (in, k)."""
    return spectrum(b, a).used.right


def written_directions(b: Tensor, a: Tensor) -> Tensor:
    """The directions of the output that b a writes to, (out, k)."""
    return spectrum(b, a).used.left


def similarity(one: Tensor, other: Tensor) -> Tensor:
    """phi(i, j) for all i and j at once.

    Args:
        one, other: (width, r1) and (width, r2), orthonormal columns, most important first.

    Returns:
        (r1, r2) in [0, 1]; row i - 1, column j - 1 is phi(i, j). Empty where one of them has no direction.
    """
    overlap = (one.T @ other).square().cumsum(0).cumsum(1)
    return (overlap / _smaller(*overlap.shape)).clamp(0, 1)


def random_similarity(one: int, other: int, width: int) -> Tensor:
    """What phi would be on average for random subspaces of a space of `width` dimensions, (one, other)."""
    return torch.maximum(*_table(one, other)).double() / width


def _smaller(one: int, other: int) -> Tensor:
    return torch.minimum(*_table(one, other)).double()


def _table(one: int, other: int) -> tuple[Tensor, Tensor]:
    return torch.arange(1, one + 1)[:, None].expand(one, other), torch.arange(1, other + 1).expand(one, other)
