"""How far the adapters have moved their layers, without forming what they add."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.adapters.adapted import Adapted


@torch.no_grad()
def delta_norms(layers: Sequence[Adapted]) -> NDArray[np.float32]:
    """The Frobenius norm of every layer's dW, (layers,); from its factors where it has some, else from dW itself."""
    if all("factors" in layer.delta.provides for layer in layers):
        norms = by_layer([layer.factors() for layer in layers], product_norms)
    else:
        dense = [torch.linalg.vector_norm(layer.delta.weight(layer.tensors())) for layer in layers]
        norms = torch.stack(dense).float().cpu().numpy()
    return norms * np.array([abs(layer.scale) for layer in layers], dtype=np.float32)


def product_norms(b: Tensor, a: Tensor) -> Tensor:
    """||B A|| of stacked factors (n, out, r) and (n, r, in), (n,): sum((Bᵀ B) * (A Aᵀ)), from r x r matrices alone."""
    return ((b.mT @ b) * (a @ a.mT)).sum((1, 2)).clamp_min(0).sqrt()


@torch.no_grad()
def by_layer(tensors: Sequence[Sequence[Tensor]], of: Callable[..., Tensor]) -> NDArray[np.float32]:
    """One number for each layer, from its tensors; layers whose tensors have equal shapes are worked out together.

    A model has two hundred layers, but only a handful of shapes, and at this size starting an operation costs more than
    doing it.

    Args:
        tensors: of every layer, as many of each.
        of: given the stacked tensors, (n, ...) each; returns (n,).
    """
    groups: dict[tuple[torch.Size, ...], list[int]] = {}
    for place, own in enumerate(tensors):
        groups.setdefault(tuple(tensor.shape for tensor in own), []).append(place)
    parts = []
    for places in groups.values():
        stacked = (torch.stack(same) for same in zip(*(tensors[place] for place in places), strict=True))
        parts.append(of(*stacked).float())
    found = np.empty(len(tensors), dtype=np.float32)
    found[[place for places in groups.values() for place in places]] = torch.cat(parts).cpu().numpy()
    return found
