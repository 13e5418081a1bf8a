"""Holding the frozen weights of a loaded model as a storage wants them, one layer after the other.

Each dense weight is let go as soon as its codes are there, so that beside the codes there is never more than one layer
as numbers on the device, however large the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from core.adapters.axis import Storage
from core.layers import LayerInfo


def hold(
    model: nn.Module,
    layers: Iterable[LayerInfo],
    storage: Storage,
    *,
    device: torch.device | str = "cpu",
    progress: Callable[[str, float | None], None] | None = None,
) -> None:
    """Put what the storage makes of them in the place of a model's adaptable layers.

    Args:
        model: its weights as numbers, frozen.
        layers: of the model; embeddings and the head are left as they are.
        storage: how they are to be held.
        device: where the codes are worked out, and stay.
        progress: told about every twentieth of the way.
    """
    if "float_base" in storage.provides:
        return
    chosen = [layer for layer in layers if layer.adaptable]
    with torch.no_grad():
        for place, layer in enumerate(chosen):
            if progress is not None and place % max(1, len(chosen) // 20) == 0:
                progress("Quantising the model", place / len(chosen))
            module = model.get_submodule(layer.name).to(device)
            model.set_submodule(layer.name, storage.hold(module))


def round_weights(model: nn.Module, layers: Iterable[LayerInfo], storage: Storage) -> None:
    """Give a dense model the very weights that it computes with when the storage holds it."""
    with torch.no_grad():
        for layer in layers:
            if layer.adaptable:
                weight = storage.weight(model.get_submodule(layer.name))
                weight.copy_(storage.rounded(weight))
