"""Base weights as floating-point numbers."""

from core.adapters.axis import Storage


class Dense(Storage):
    """The base weights stay floating-point numbers of the compute precision."""

    kind = "dense"
    label = "Dense"

    def bytes_per_weight(self, compute_bytes: int) -> float:
        return float(compute_bytes)
