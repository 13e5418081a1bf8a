"""Where in the data something was found: in how many rows, and the first of them."""

from __future__ import annotations

from dataclasses import dataclass, field

NAMED = 5
"""Rows that a complaint names."""


@dataclass
class Places:
    """How many rows something was found in, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(place)
