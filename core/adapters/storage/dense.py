"""Base weights as floating-point numbers."""

from __future__ import annotations

from core.adapters.axis import Storage


class Dense(Storage):
    """The base weights stay floating-point numbers of the compute precision."""

    kind = "dense"
    label = "Dense"
    provides = frozenset({"float_base"})

    def bytes_per_weight(self, compute_bytes: int, columns: int) -> float:
        return float(compute_bytes)
