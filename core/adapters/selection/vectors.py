"""What the yardsticks have in common that train vectors of the model instead of its matrices."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import ClassVar

from core.adapters.axis import Selection
from core.layers import LayerInfo, LayerPlan


class Vectors(Selection):
    """Trains vectors, each of its own; a member says which."""

    needs = frozenset({"whole"})
    provides = frozenset({"own_layers"})
    wary = MappingProxyType(
        {"dropout": "A vector has no input of which something could be dropped: the dropout does nothing."}
    )
    formula: ClassVar[str] = "n of each vector"

    def wanted(self, vector: LayerInfo) -> bool:
        """Whether a vector is one of those."""
        raise NotImplementedError

    def candidates(self, chosen: Sequence[LayerPlan], vectors: Sequence[LayerInfo]) -> list[LayerPlan]:
        if any(plan.layer.kind == "vector" for plan in chosen):
            return list(chosen)
        blocks = {plan.layer.block for plan in chosen}
        # A vector's change has no rank, and nothing is multiplied with it.
        return [
            LayerPlan(vector, 1, 1.0)
            for vector in vectors
            if self.wanted(vector) and (vector.block is None or vector.block in blocks)
        ]
