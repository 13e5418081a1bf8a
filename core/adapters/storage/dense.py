"""Base weights as floating-point numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.axis import Storage

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


class Dense(Storage):
    """The base weights stay floating-point numbers of the compute precision."""

    kind = "dense"
    label = "Dense"
    provides = frozenset({"float_base"})

    def bytes_per_weight(self, compute_bytes: int) -> float:
        return float(compute_bytes)

    def weight(self, module: Module) -> Tensor:
        from transformers.pytorch_utils import Conv1D

        weight: Tensor = module.get_parameter("weight")
        return weight.T if isinstance(module, Conv1D) else weight
