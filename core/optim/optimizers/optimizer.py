"""What an optimizer of the registry offers: the torch optimizer, and the bytes of state it keeps per parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.component import Component, option
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.optim import Optimizer as TorchOptimizer


class Optimizer(Component):
    """Turns gradients into steps."""

    weight_decay: float = option(
        0.0,
        "Weight decay",
        "Pull of the factors towards zero, per step and learning rate. Vectors are left alone.",
        ge=0,
    )

    def objections(self, device: str) -> Iterator[Problem]:
        """What is to be said against it on a device (`cpu`, `cuda`, `mps`), without importing anything large."""
        yield from ()

    def build(self, groups: list[dict[str, Any]]) -> TorchOptimizer:
        """The torch optimizer for parameter groups that carry `params`, `lr` and `weight_decay`."""
        raise NotImplementedError

    def bytes_per_parameter(self) -> float:
        """State kept for each trained number, for the forecast."""
        raise NotImplementedError
