"""VERA: two vectors a layer, over one random pair that is saved once, at the largest size that a layer needs."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.adapters.attach import Adapters
from core.export.forms.form import Folder, Form, Piece, changed, copied, transposed
from core.layers import LayerInfo

PAIR = {"vera_a": "vera_A", "vera_b": "vera_B"}
"""The pair's names here, and in the file."""


class VeraForm(Form):
    """See the module's docstring."""

    type = "VERA"
    deltas = ("vera",)
    marks = (".vera_lambda_b",)
    outside: ClassVar[frozenset[str]] = frozenset(PAIR.values())

    def objection(self, adapters: Adapters) -> str:
        layers = adapters.layers.values()
        if any(layer.delta.kind not in self.deltas for layer in layers):
            return "this is not VeRA"
        if changed(adapters):
            return "PEFT's VeRA knows no row lengths and no changed base"
        if {layer.active_rank for layer in layers} != {next(iter(layers)).plan.rank}:
            return "PEFT's VeRA has one rank and one pair for all layers"
        return ""

    def tensors(self, adapters: Adapters) -> dict[str, Tensor]:
        found = {}
        for name, layer in adapters.layers.items():
            found[f"{name}.vera_lambda_b"] = copied(layer.own["lambda_b"] * layer.scale)
            found[f"{name}.vera_lambda_d"] = copied(layer.own["lambda_d"])
        return found | {theirs: copied(adapters.shared[ours]) for ours, theirs in PAIR.items()}

    def settings(self, adapters: Adapters, *, steps: int) -> dict[str, Any]:
        layer = next(iter(adapters.layers.values()))
        return {
            "r": layer.plan.rank,
            "vera_dropout": adapters.config.dropout,
            "d_initial": getattr(layer.delta, "d_initial", 0.1),
            "save_projection": True,
            "projection_prng_key": 0,
            "bias": "none",
            "fan_in_fan_out": transposed(adapters),
        }

    def axes(self, folder: Folder) -> dict[str, Any]:
        delta = {"kind": "vera", "d_initial": folder.number("d_initial", 0.1)}
        return {"method": "vera", "delta": delta, "dropout": folder.number("vera_dropout", 0.0)}

    def piece(self, folder: Folder, layer: LayerInfo, given: str) -> Piece:
        vectors = {f"lambda_{end}": folder.take(f"{given}.vera_lambda_{end}") for end in "bd"}
        return Piece(len(vectors["lambda_d"]), 1.0, vectors)

    def shared(self, folder: Folder, layers: list[LayerInfo], rank: int) -> dict[str, Tensor]:
        sizes = max(layer.in_features for layer in layers), max(layer.out_features for layer in layers)
        if all(theirs in folder.tensors for theirs in PAIR.values()):
            a, b = folder.take(PAIR["vera_a"]), folder.take(PAIR["vera_b"])
            return {"vera_a": a[:rank, : sizes[0]], "vera_b": b[: sizes[1], :rank]}
        key = int(folder.number("projection_prng_key", 0))
        folder.notes.append(
            f"The random pair was not saved with the adapter; it was drawn anew from its key {key}, which gives the "
            "same numbers only where torch draws as it did there."
        )
        generator = torch.Generator().manual_seed(key)
        return {"vera_a": _drawn((rank, sizes[0]), generator), "vera_b": _drawn((sizes[1], rank), generator)}


def _drawn(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Uniform in +-sqrt(6 / columns), as PEFT draws it."""
    bound = math.sqrt(3) * (math.sqrt(2) / math.sqrt(shape[1]))
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
