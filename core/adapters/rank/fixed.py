"""Ranks that stay."""

from core.adapters.axis import RankSchedule


class Fixed(RankSchedule):
    """Every layer keeps the rank it was given."""

    kind = "fixed"
    label = "Fixed"
    provides = frozenset({"fixed_rank"})
