"""What a family of architectures calls its matrices, and what each of them does.

The same table reads names out of file headers and out of a loaded model, so the map that the user picks from and the
modules that are adapted cannot differ. Names are those of the model that `transformers` builds; a checkpoint may say
some of them differently (an older prefix, none at all), and `module_name` turns them round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from core.layers import Kind, Role

_EXPERTS = re.compile(r"\bexperts\b|\bblock_sparse_moe\b|\bmlp\.(gate|router)$|_expert_gate$|\brouter\b")
_BLOCK = re.compile(r"^(?P<blocks>[A-Za-z_.0-9]*?)\.(?P<index>\d+)\.(?P<inside>.+)$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a matrix stands in its model: its role, its block (None outside them), whether it is an embedding."""

    role: Role
    block: int | None = None
    embedding: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """One way of naming matrices.

    Attributes:
        name: what people call it.
        model_types: the `model_type` values of config.json that belong to it.
        blocks: where the list of blocks stands (`model.layers`); several where the types differ.
        roles: path within a block to role.
        embedding: the modules that turn token ids into vectors.
        positions: embeddings of something other than tokens.
        head: the modules that turn vectors into scores of tokens.
        base: what a checkpoint of the model without its head leaves out in front of every name (`model`).
        renames: beginnings of a checkpoint's names and what the module's name has instead.
        kind: how the matrices in the blocks are stored.
        writes_text: whether it predicts the next token; encoders do not.
        guessed: whether nobody has written its names down, so that they are guessed from their words.
    """

    name: str
    model_types: frozenset[str]
    blocks: tuple[str, ...]
    roles: Mapping[str, Role]
    embedding: tuple[str, ...] = ("model.embed_tokens",)
    positions: tuple[str, ...] = ()
    head: tuple[str, ...] = ("lm_head",)
    base: tuple[str, ...] = ("model",)
    renames: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    kind: Kind = "linear"
    writes_text: bool = True
    guessed: bool = False

    def place(self, name: str) -> Place | None:
        """What the module of this name is; None for what no adapter can sit on (experts, routers, poolers)."""
        if name in self.embedding:
            return Place("embed", embedding=True)
        if name in self.positions:
            return Place("other", embedding=True)
        if name in self.head:
            return Place("head")
        if is_expert(name):
            return None
        found = _BLOCK.match(name)
        if found and found["blocks"] in self.blocks:
            return Place(self.roles.get(found["inside"], "other"), int(found["index"]))
        return None

    def module_name(self, name: str, *, bare: bool) -> str:
        """A checkpoint's name of a module as the loaded model has it; `bare` where it leaves the base prefix out."""
        for old, new in self.renames.items():
            if name == old or name.startswith(old + "."):
                name = new + name[len(old) :]
        return f"{self.base[0]}.{name}" if bare and not self.is_head(name) else name

    def is_head(self, name: str) -> bool:
        """Whether the module of this name turns vectors into scores of tokens."""
        return name in self.head

    def is_bare(self, names: list[str]) -> bool:
        """Whether a checkpoint with these (renamed) names was saved from the model without its head."""
        return not any(name.startswith(f"{base}.") for name in names for base in self.base)


def is_expert(name: str) -> bool:
    """Whether this belongs to a mixture of experts: fused in three dimensions once loaded, so not adaptable."""
    return bool(_EXPERTS.search(name))
