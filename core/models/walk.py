"""The same list of layers as the file headers give, read from a model in memory.

A test holds the two against each other for every family: the map that the user picks from is the model that is trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from core.layers import Kind, LayerInfo
from core.models.families import family_of
from core.models.order import in_order

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


def walk(model: PreTrainedModel) -> tuple[LayerInfo, ...]:
    """Every linear layer, `Conv1D` and embedding of a model that its family places, in the order of the headers."""
    family = family_of(model.config.model_type)
    found = []
    for name, module in model.named_modules():
        kind = _kind(module)
        place = family.place(name) if kind else None
        if kind and place:
            out_features, in_features = _size(module, kind)
            found.append(LayerInfo(name, place.role, place.block, out_features, in_features, kind))
    return in_order(found)


def _kind(module: nn.Module) -> Kind | None:
    """How a module stores its matrix; None where it holds none."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, Conv1D):
        return "conv1d"
    return "embedding" if isinstance(module, nn.Embedding) else None


def _size(module: nn.Module, kind: Kind) -> tuple[int, int]:
    """(out, in) as `nn.Linear` has them; from the attributes, since a quantised weight has another shape."""
    if kind == "linear":
        return int(cast(int, module.out_features)), int(cast(int, module.in_features))
    if kind == "embedding":
        return int(cast(int, module.num_embeddings)), int(cast(int, module.embedding_dim))
    rows, columns = module.get_parameter("weight").shape
    return columns, rows
