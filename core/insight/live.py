"""Singular values while a run trains: how many directions each layer's update uses, and how strong the strongest is.

Cheaper than `core.insight.spectra` and less exact: from the r x r matrices Bᵀ B and A Aᵀ, whose product has the squares
of the singular values of B A as its eigenvalues. Squares cost half of the digits: values below 1e-8 of the largest
drown, which an effective rank does not hear and a picture does not show.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.adapters.adapted import Adapted

Floats = NDArray[np.float32]


@torch.no_grad()
def spectra(layers: Sequence[Adapted]) -> tuple[Floats, Floats]:
    """Effective rank and largest singular value of every layer's dW = s B A, (layers,) both; NaN of a dense change."""
    effective, largest = (np.full(len(layers), np.nan, dtype=np.float32) for _ in range(2))
    groups: dict[tuple[torch.Size, torch.Size], list[tuple[int, Tensor, Tensor]]] = {}
    for place, layer in enumerate(layers):
        if "factors" in layer.delta.provides:
            b, a = layer.factors()
            groups.setdefault((b.shape, a.shape), []).append((place, b, a))
    for group in groups.values():
        places = [place for place, _, _ in group]
        values = singular_values(torch.stack([b for _, b, _ in group]), torch.stack([a for _, _, a in group]))
        scales = torch.tensor([abs(layers[place].scale) for place in places], dtype=torch.float64)
        effective[places] = _effective(values).numpy()
        largest[places] = (values[:, -1] * scales).numpy()
    return effective, largest


def singular_values(b: Tensor, a: Tensor) -> Tensor:
    """Of every product of b (n, out, r) and a (n, r, in): (n, r), rising, float64 on the processor; NaN of broken ones.

    A training that has diverged is measured like any other: the solver, which would refuse it, does not see it.
    """
    inner_b, inner_a = (gram.double().cpu() for gram in (b.mT @ b, a @ a.mT))
    sound = (inner_b.isfinite() & inner_a.isfinite()).all(2).all(1)[:, None]
    inner_b, inner_a = (torch.where(sound[:, :, None], gram, 0.0) for gram in (inner_b, inner_a))
    squares, turned = torch.linalg.eigh(inner_a)
    root = turned * squares.clamp_min(0).sqrt()[:, None, :]
    found: Tensor = torch.linalg.eigvalsh(root.mT @ inner_b @ root).clamp_min(0).sqrt()
    return torch.where(sound, found, torch.nan)


def _effective(values: Tensor) -> Tensor:
    """exp of the entropy of the values as shares of their sum, (n,); 0 for zero."""
    total = values.sum(1, keepdim=True)
    spread = torch.special.entr(values / total.clamp_min(torch.finfo(values.dtype).tiny)).sum(1).exp()
    return torch.where(total[:, 0] == 0, torch.zeros_like(spread), spread)
