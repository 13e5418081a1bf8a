"""No magnitude: W0 + dW as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.axis import Magnitude

if TYPE_CHECKING:
    from torch import Tensor

    from core.adapters.adapted import Adapted


class Unchanged(Magnitude):
    """The rows of the adapted weight keep whatever length the sum gives them."""

    kind = "none"
    label = "None"
    provides = frozenset({"plain_magnitude"})

    def forward(self, layer: Adapted, x: Tensor) -> Tensor:
        return layer.sum(x)

    def merge(self, layer: Adapted, weight: Tensor) -> Tensor:
        return weight
