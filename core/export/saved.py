"""A saved adapter without its base model: all that an export needs of it.

Merging a 70B model must not need a 70B model in memory. The adapter's layers are put on stand-ins of the right shape
whose weights are one number, repeated without being stored; the real weights come from the files one at a time.
Over a quantised base the stand-ins are dense all the same: what the files hold is rounded when it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from core.adapters.attach import Adapters
from core.adapters.state import read, reattach
from core.layers import LayerInfo, LayerPlan


def open_adapter(folder: Path) -> Adapters:
    """The adapter saved in `folder`, in evaluation mode, on stand-ins for the layers it was trained on.

    Raises:
        UserError: there is none, or it is damaged.
    """
    saved = read(folder)
    return reattach(stand_ins(saved.plans, saved.head()), folder)


def stand_ins(plans: Iterable[LayerPlan], head: Mapping[str, Tensor]) -> nn.Module:
    """A model, in evaluation mode, of nothing but stand-ins for some layers and places for the tensors of a head."""
    root = nn.Module()
    for plan in plans:
        _place(root, plan.name, _stand_in(plan.layer))
    for name, tensor in head.items():
        place, _, key = name.rpartition(".")
        if place not in dict(root.named_modules()):
            _place(root, place, nn.Module())
        root.get_submodule(place).register_parameter(key, nn.Parameter(torch.empty_like(tensor), requires_grad=False))
    return root.eval()


def stand_in_weight(layer: LayerInfo) -> nn.Parameter:
    """A weight of the layer's shape, as its module stores it, that holds a single zero."""
    shape = (layer.out_features, layer.in_features)
    zero = torch.zeros(()).expand(*(reversed(shape) if layer.kind == "conv1d" else shape))
    return nn.Parameter(zero, requires_grad=False)


def _stand_in(layer: LayerInfo) -> nn.Module:
    """A module of the layer's kind with such a weight and no bias."""
    if layer.kind == "conv1d":
        module: nn.Module = Conv1D(1, 1)  # type: ignore[no-untyped-call]
        module.register_parameter("bias", None)
    else:
        module = nn.Linear(1, 1, bias=False)
    module.register_parameter("weight", stand_in_weight(layer))
    return module


def _place(root: nn.Module, name: str, module: nn.Module) -> None:
    """Hang the module into the tree under its dotted name."""
    *path, last = name.split(".")
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    root.add_module(last, module)
