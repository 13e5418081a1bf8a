"""Holding the frozen weights of a loaded model as a storage wants them, one layer after the other.

Each dense weight is let go as soon as its codes are there, so that beside the codes there is never more than one layer
as numbers on the device, however large the model. What is worked out on the way leaves gaps between the codes, which
are given back to the system: without that they come to more than the codes. And where the files hold one type of
number, the model is opened in that type first: its weights then lie in the mapped files and take no memory at all until
they are quantised, where in the compute precision they would all be there at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from core import heap
from core.adapters.axis import Storage
from core.layers import LayerInfo
from core.models.headers import NAMES, read_folder
from core.saying import Say, silent


def hold(
    model: nn.Module,
    layers: Iterable[LayerInfo],
    storage: Storage,
    *,
    device: torch.device | str = "cpu",
    progress: Say = silent,
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
            if place % max(1, len(chosen) // 20) == 0:
                heap.give_back()
                progress("Quantising the model", place / len(chosen))
            module = model.get_submodule(layer.name).to(device)
            model.set_submodule(layer.name, storage.hold(module))
    heap.give_back()


def round_weights(model: nn.Module, layers: Iterable[LayerInfo], storage: Storage) -> None:
    """Give a dense model the very weights that it computes with when the storage holds it."""
    with torch.no_grad():
        for layer in layers:
            if layer.adaptable:
                weight = storage.weight(model.get_submodule(layer.name))
                weight.copy_(storage.rounded(weight))


def opening_dtype(folder: Path, storage: Storage | None, compute: torch.dtype) -> torch.dtype:
    """The type of number to open a folder's weights in: that of its files, where they are to be quantised from it."""
    if storage is None or "float_base" in storage.provides:
        return compute
    stored = {tensor.dtype for tensor in read_folder(folder).values()}
    name = NAMES.get(stored.pop(), "") if len(stored) == 1 else ""
    return getattr(torch, name) if name in ("float32", "bfloat16", "float16") else torch.float32


def is_rounded(model: nn.Module, dtype: torch.dtype) -> bool:
    """Whether a model opened in a coarse type has rounded what it works out for itself (Gemma 3 a scale)."""
    return any(buffer.dtype == dtype != torch.float32 for buffer in model.buffers())


def convert(model: nn.Module, dtype: torch.dtype, compute: torch.dtype) -> None:
    """Bring the weights that are left as numbers of `dtype` into the compute precision.

    What the model's own class keeps in float32 stays.
    """
    if dtype == compute:
        return
    lists = ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict")
    kept = {word for name in lists for word in getattr(model, name, None) or ()}
    for name, parameter in model.named_parameters():
        if parameter.dtype == dtype and kept.isdisjoint(name.split(".")):
            parameter.data = parameter.data.to(compute)
