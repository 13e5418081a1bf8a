"""No factor."""

from core.adapters.axis import Scale


class One(Scale):
    """1: the adapter's output is added as it is. VeRA has no alpha (arXiv:2310.11454)."""

    kind = "1"
    label = "1 (no alpha)"
    paper = "2310.11454"
    provides = frozenset({"unit_scale"})

    def of(self, alpha: float, rank: int) -> float:
        return 1.0
