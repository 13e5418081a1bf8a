"""LOHA and LOKR: elementwise and Kronecker products. PEFT has them for plain linear layers, not for GPT-2's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor

from core.adapters.attach import Adapters
from core.errors import UserError
from core.export.forms.form import Folder, Form, Piece, changed, copied, rounded, split, transposed
from core.layers import LayerInfo


class ProductForm(Form):
    """What the two have in common; a member says which delta it is and what its tensors are called in the file."""

    names: ClassVar[Mapping[str, str]]
    """This program's names of a layer's tensors, to those in the file."""

    @abstractmethod
    def member(self, folder: Folder) -> dict[str, Any]:
        """The member of the axis that a configuration means."""

    @abstractmethod
    def rank(self, own: Mapping[str, Tensor]) -> int | None:
        """The rank that a layer's tensors have; None where they do not tell."""

    def objection(self, adapters: Adapters) -> str:
        if changed(adapters) or any(layer.delta.kind not in self.deltas for layer in adapters.layers.values()):
            return f"this is not {self.type} alone"
        return f"PEFT has no {self.type} for layers stored as GPT-2 has them" if transposed(adapters) else ""

    def tensors(self, adapters: Adapters) -> dict[str, Tensor]:
        return {
            f"{name}.{self.names[key]}": copied(tensor)
            for name, layer in adapters.layers.items()
            for key, tensor in layer.own.items()
        }

    def settings(self, adapters: Adapters, *, steps: int) -> dict[str, Any]:
        layers = adapters.layers
        rank, other_ranks = split({name: layer.plan.rank for name, layer in layers.items()})
        alpha, other_alphas = split(
            {name: rounded(round(layer.scale * layer.plan.rank, 9)) for name, layer in layers.items()}
        )
        return {"r": rank, "alpha": alpha, "rank_pattern": other_ranks, "alpha_pattern": other_alphas}

    def axes(self, folder: Folder) -> dict[str, Any]:
        return {"method": self.deltas[0], "delta": self.member(folder)}

    def piece(self, folder: Folder, layer: LayerInfo, given: str) -> Piece:
        there = [key for key, theirs in self.names.items() if f"{given}.{theirs}" in folder.tensors]
        own = {key: folder.take(f"{given}.{self.names[key]}") for key in self.complete(there)}
        said = int(folder.by_layer(given, "rank_pattern", "r", 8))
        rank = self.rank(own) or said
        if rank != said:
            raise UserError(f"The adapter's configuration gives {given} the rank {said}, its file {rank}.")
        return Piece(rank, folder.by_layer(given, "alpha_pattern", "alpha", 8), own)

    def complete(self, there: Iterable[str]) -> Iterable[str]:
        """The tensors that a layer must have, given some of them."""
        return self.names


class LohaForm(ProductForm):
    """See the module's docstring."""

    type = "LOHA"
    deltas = ("loha",)
    marks = (".hada_w1_a",)
    names: ClassVar[dict[str, str]] = {"b1": "hada_w1_a", "a1": "hada_w1_b", "b2": "hada_w2_a", "a2": "hada_w2_b"}

    def member(self, folder: Folder) -> dict[str, Any]:
        return {"kind": self.deltas[0]}

    def rank(self, own: Mapping[str, Tensor]) -> int | None:
        return len(own["a1"])


class LokrForm(ProductForm):
    """See the module's docstring."""

    type = "LOKR"
    deltas = ("lokr",)
    marks = (".lokr_w1", ".lokr_w1_a")
    names: ClassVar[dict[str, str]] = {"c": "lokr_w1", "d": "lokr_w2", "d_b": "lokr_w2_a", "d_a": "lokr_w2_b"}
    refused: ClassVar[dict[str, str]] = {"decompose_both": "its small matrix is a product as well"}

    def settings(self, adapters: Adapters, *, steps: int) -> dict[str, Any]:
        factor = getattr(next(iter(adapters.layers.values())).delta, "factor", 0)
        return {**super().settings(adapters, steps=steps), "decompose_factor": factor or -1}

    def member(self, folder: Folder) -> dict[str, Any]:
        return {"kind": self.deltas[0], "factor": max(0, int(folder.number("decompose_factor", -1)))}

    def rank(self, own: Mapping[str, Tensor]) -> int | None:
        return len(own["d_a"]) if "d_a" in own else None

    def complete(self, there: Iterable[str]) -> Iterable[str]:
        return ("c", "d") if "d" in there else ("c", "d_b", "d_a")
