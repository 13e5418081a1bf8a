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
    """The Frobenius norm of every layer's dW = s B A, from r x r matrices alone; of a dense change, from that itself.

    ||B A||² = sum((Bᵀ B) * (A Aᵀ)). Layers whose factors have equal shapes are worked out together: a model has two
    hundred layers, but only a handful of shapes, and at this size starting an operation costs more than doing it.
    """
    factors = {place: layer.factors() for place, layer in enumerate(layers) if "factors" in layer.delta.provides}
    groups: dict[tuple[torch.Size, torch.Size], list[int]] = {}
    for place, (b, a) in factors.items():
        groups.setdefault((b.shape, a.shape), []).append(place)
    order = [place for place in range(len(layers)) if place not in factors]
    dense = [layers[place].delta.weight(layers[place].tensors()) for place in order]
    squares: list[Tensor] = [weight.square().sum()[None] for weight in dense]
    for places in groups.values():
        b = torch.stack([factors[place][0] for place in places])
        a = torch.stack([factors[place][1] for place in places])
        squares.append(((b.mT @ b) * (a @ a.mT)).sum((1, 2)))
        order += places
    norms = np.empty(len(layers), dtype=np.float32)
    norms[order] = torch.cat(squares).clamp_(min=0).sqrt_().float().cpu().numpy()
    return norms * np.array([abs(layer.scale) for layer in layers], dtype=np.float32)


@torch.no_grad()
def by_layer(tensors: Sequence[Sequence[Tensor]], of: Callable[..., Tensor]) -> NDArray[np.float32]:
    """One number for each layer, from its tensors; layers whose tensors have equal shapes are worked out together.

    Args:
        tensors: of every layer, as many of each.
        of: given the stacked tensors, (n, ...) each; returns (n,).
    """
    groups: dict[tuple[torch.Size, ...], list[int]] = {}
    for place, own in enumerate(tensors):
        groups.setdefault(tuple(tensor.shape for tensor in own), []).append(place)
    found = np.empty(len(tensors), dtype=np.float32)
    for places in groups.values():
        stacked = (torch.stack(list(same)) for same in zip(*(tensors[place] for place in places), strict=True))
        found[places] = of(*stacked).float().cpu().numpy()
    return found
