"""The effective rank of a large matrix without its singular values.

The strongest directions are found by a randomised search and counted as they are. Of all the others only two sums are
wanted, of the singular values and of their entropy, which are traces of functions of the matrix: a few random vectors
and two dozen products each show them (stochastic Lanczos quadrature). What either alone does badly, a steep spectrum
or a flat one, the other does well.
"""

from __future__ import annotations

import torch
from torch import Tensor

STRONGEST = 192
"""Directions that are counted one by one."""
PROBES = 16
PRODUCTS = 24
"""Random vectors for the rest, and how often each goes through it and back."""
SEED = 11


@torch.no_grad()
def sketched(weight: Tensor) -> tuple[float, float]:
    """Effective rank, within a twentieth, and largest singular value of a (rows, columns) matrix, rows >= columns."""
    columns = weight.shape[1]
    weight = weight.float()
    generator = torch.Generator().manual_seed(SEED)

    def drawn(count: int) -> Tensor:
        return torch.randn(columns, count, generator=generator).to(weight)

    basis = weight @ drawn(STRONGEST)
    for _ in range(2):
        basis = weight @ (weight.T @ torch.linalg.qr(basis)[0])
    basis = torch.linalg.qr(basis)[0]
    within = basis.T @ weight
    strongest = torch.linalg.svdvals(within).cpu().double()
    others, counts = _quadrature(weight - basis @ within, drawn(PROBES).sign() / columns**0.5)
    values = torch.cat((strongest, others))
    counts = torch.cat((torch.ones_like(strongest), counts * columns / PROBES))
    total = (counts * values).sum()
    if not float(total):
        return 0.0, 0.0
    return float((counts * torch.special.entr(values / total)).sum().exp()), float(strongest[0])


def _quadrature(rest: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Values that stand for the singular values of `rest`, and the weight of each: they add up to 1 for each vector.

    Args:
        rest: (rows, columns).
        start: (columns, n) vectors of length 1.
    """
    now, before = start, torch.zeros_like(start)
    length = torch.zeros_like(start[0])
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    for _ in range(PRODUCTS):
        image = rest.T @ (rest @ now) - before * length
        diagonal.append((image * now).sum(0))
        image = image - now * diagonal[-1]
        before, length = now, torch.linalg.vector_norm(image, dim=0)
        beside.append(length)
        now = image / length.clamp_min(torch.finfo(image.dtype).tiny)
    side = torch.stack(beside[:-1], 1).cpu().double()
    inner = torch.diag_embed(torch.stack(diagonal, 1).cpu().double())
    inner += torch.diag_embed(side, 1) + torch.diag_embed(side, -1)
    squares, turned = torch.linalg.eigh(inner)
    return squares.clamp_min(0).sqrt().flatten(), turned[:, 0].square().flatten()
