"""Singular values while a run trains: how many directions each layer's update uses, and how strong the strongest is.

Cheaper than `core.insight.spectra` and less exact: from the r x r matrices Bᵀ B and A Aᵀ, whose product has the squares
of the singular values of B A as its eigenvalues. Squares cost half of the digits: values below 1e-8 of the largest
drown, which an effective rank does not hear and a picture does not show.

A change that is a Kronecker product is looked at part by part: its singular values are all products of the parts', so
effective ranks multiply as the largest values do. A change that no thin matrices make up is decomposed as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.adapters.adapted import Adapted
from core.insight.sketched import sketched

Floats = NDArray[np.float32]
Pair = tuple[Tensor, Tensor]

QUICK = 64
"""The largest number of directions that are looked at in passing: 1 ms a layer of SmolLM2 (0.1 ms at rank 8), against
36 ms of a dense change there, on one thread."""
EXACT = 1024
"""The shorter side up to which a dense change is decomposed in full; beyond it is estimated."""


@torch.no_grad()
def spectra(layers: Sequence[Adapted]) -> tuple[Floats, Floats]:
    """Effective rank and largest singular value of every layer's dW, (layers,) both; NaN where it has diverged."""
    effective = np.ones(len(layers), dtype=np.float32)
    largest = np.array([abs(layer.scale) for layer in layers], dtype=np.float32)
    groups: dict[tuple[torch.Size, torch.Size], list[tuple[int, Tensor, Tensor]]] = {}
    for place, layer in enumerate(layers):
        pairs = _products(layer)
        for b, a in pairs:
            groups.setdefault((b.shape, a.shape), []).append((place, b, a))
        if not pairs:
            found = of_dense(_dense(layer))
            effective[place], largest[place] = found[0], found[1] * largest[place]
    for group in groups.values():
        places = [place for place, _, _ in group]
        values = singular_values(torch.stack([b for _, b, _ in group]), torch.stack([a for _, _, a in group]))
        # Two parts of one layer may be of one shape: `*=` would forget the first.
        np.multiply.at(effective, places, _effective(values).float().numpy())
        np.multiply.at(largest, places, values[:, -1].float().numpy())
    return effective, largest


@torch.no_grad()
def costly(layers: Sequence[Adapted]) -> bool:
    """Whether `spectra` of these layers is too much work to be done in passing."""
    return any(max((len(a) for _, a in _products(one)), default=min(_shape(one))) > QUICK for one in layers)


def _products(layer: Adapted) -> Sequence[Pair]:
    """`(B, A)` of which dW / scale is the Kronecker product; none where to take it whole is no more work."""
    pairs = [layer.factors()] if _thin(layer) else layer.delta.products(layer.tensors())
    return [] if any(b.shape[1] > min(_shape(layer)) for b, _ in pairs) else pairs


def _dense(layer: Adapted) -> Tensor:
    """dW / scale, (out, in)."""
    if _thin(layer):
        b, a = layer.factors()
        return b @ a
    return layer.delta.weight(layer.tensors())


def _thin(layer: Adapted) -> bool:
    return "factors" in layer.delta.provides


def _shape(layer: Adapted) -> tuple[int, int]:
    return layer.plan.layer.out_features, layer.plan.layer.in_features


def of_dense(weight: Tensor) -> tuple[float, float]:
    """Effective rank and largest singular value of any matrix, the former within a twentieth where it is large."""
    if not bool(weight.isfinite().all()):
        return math.nan, math.nan
    weight = weight if weight.shape[0] >= weight.shape[1] else weight.T
    if weight.shape[1] > EXACT:
        return sketched(weight)
    weight = weight.cpu() if weight.device.type == "mps" else weight
    squares = torch.linalg.eigvalsh((weight.double().T @ weight.double()).cpu())
    # Squares are right to some 1e-14 of the largest: what lies below is noise, and there may be much of it.
    values = torch.where(squares > squares[-1] * 1e-13, squares, 0.0).sqrt()[None]
    return float(_effective(values)), float(values[0, -1])


def singular_values(b: Tensor, a: Tensor) -> Tensor:
    """Of every product of b (n, out, r) and a (n, r, in): (n, r), rising, float64 on the processor; NaN of broken ones.

    A training that has diverged is measured like any other: the solver, which would refuse it, does not see it.
    """
    inner_b, inner_a = (gram.cpu().double() for gram in (b.mT @ b, a @ a.mT))
    sound = (inner_b.isfinite() & inner_a.isfinite()).all(2).all(1)[:, None]
    inner_b, inner_a = (torch.where(sound[:, :, None], gram, 0.0) for gram in (inner_b, inner_a))
    squares, turned = torch.linalg.eigh(inner_a)
    root = turned * squares.clamp_min(0).sqrt()[:, None, :]
    found: Tensor = torch.linalg.eigvalsh(root.mT @ inner_b @ root).clamp_min(0).sqrt()
    return torch.where(sound, found, torch.nan)


def _effective(values: Tensor) -> Tensor:
    """exp of the entropy of the values (n, r) as shares of their sum, (n,); 0 for zero."""
    total = values.sum(1, keepdim=True)
    spread = torch.special.entr(values / total.clamp_min(torch.finfo(values.dtype).tiny)).sum(1).exp()
    return torch.where(total[:, 0] == 0, torch.zeros_like(spread), spread)
