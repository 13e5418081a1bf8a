"""What an optimizer of the registry offers: the torch optimizer, and the bytes of state it keeps per parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.component import Component

if TYPE_CHECKING:
    from torch.optim import Optimizer as TorchOptimizer


class Optimizer(Component):
    """Turns gradients into steps."""

    def build(self, groups: list[dict[str, Any]]) -> TorchOptimizer:
        """The torch optimizer for parameter groups that carry `params`, `lr` and `weight_decay`."""
        raise NotImplementedError

    def bytes_per_parameter(self) -> float:
        """State kept for each trained number, for the forecast."""
        raise NotImplementedError
