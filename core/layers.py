"""What is known about a model's adaptable matrices without loading it, and what is to be trained of them.

`LayerInfo` is read from `config.json` and the safetensors headers, so the map of a 70B model is on the screen in
milliseconds and nothing here needs torch. `LayerPlan` is the same matrix once chosen, with its rank and alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Role = Literal[
    "q", "k", "v", "o", "qkv", "gate", "up", "down", "gate_up", "fc1", "fc2", "norm", "embed", "head", "other"
]  # fmt: skip
Kind = Literal["linear", "conv1d", "embedding", "vector"]

ROLES: tuple[Role, ...] = get_args(Role)
ATTENTION: frozenset[Role] = frozenset({"q", "k", "v", "o", "qkv"})
MLP: frozenset[Role] = frozenset({"gate", "up", "down", "gate_up", "fc1", "fc2"})


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One adaptable matrix of a model.

    Attributes:
        name: the module's dotted path as `transformers` names it (`model.layers.3.self_attn.q_proj`).
        role: what it does in its block.
        block: index of the transformer block, counted from the input; None outside the blocks.
        out_features: rows of the weight as `nn.Linear` stores it, whatever the file's layout.
        in_features: columns of the same.
        kind: how the module stores it; `conv1d` is GPT-2's transposed (in, out) layout, `vector` a bias or the gains of
            a norm, n rows of one column, whose name is the parameter's own.
    """

    name: str
    role: Role
    block: int | None
    out_features: int
    in_features: int
    kind: Kind = "linear"

    @property
    def parameters(self) -> int:
        """Numbers in the weight, without its bias."""
        return self.out_features * self.in_features

    @property
    def suffix(self) -> str:
        """The last part of the name: what target lists are written with (`q_proj`); of a vector its module's."""
        if self.kind == "vector":
            return ".".join(self.name.removesuffix(".weight").split(".")[-2 if self.name.endswith(".bias") else -1 :])
        return self.name.rsplit(".", 1)[-1]

    @property
    def adaptable(self) -> bool:
        """Whether it stands in the map to be chosen: embeddings, the head and vectors do not."""
        return self.role not in ("embed", "head") and self.kind not in ("embedding", "vector")

    def to_dict(self) -> dict[str, Any]:
        """The contract's JSON object for `rankloom layers`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """A chosen matrix with the rank and alpha of its adapter.

    Attributes:
        layer: the matrix.
        rank, alpha: of its adapter.
        shared: the name of an adapter that several layers of this shape have together; empty for one of its own.
        trained: whether the adapter learns.
    """

    layer: LayerInfo
    rank: int
    alpha: float
    shared: str = ""
    trained: bool = True

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def make(self) -> tuple[object, ...]:
        """All but name and block: plans of one make cost the same, and hundreds are priced as few."""
        layer = self.layer
        size = (layer.out_features, layer.in_features, layer.role, layer.kind)
        return (*size, self.rank, self.alpha, self.shared, self.trained)


def columns(layers: Sequence[LayerInfo]) -> list[str]:
    """What stands at the head of each layer's column on a map: its role, where that tells it from its neighbours.

    Where the role says nothing, or a block has several of it under different names (the norms before and after the
    attention), the last part of its name. Experts of one name share a column.
    """
    names: dict[tuple[int | None, Role], set[str]] = {}
    for layer in layers:
        names.setdefault((layer.block, layer.role), set()).add(layer.suffix)
    several = {role for (_, role), found in names.items() if len(found) > 1}
    return [layer.suffix if layer.role == "other" or layer.role in several else layer.role for layer in layers]
