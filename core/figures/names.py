"""Names where there is little room for them."""

from __future__ import annotations


def shortened(name: str, most: int = 44) -> str:
    """A name of at most so many letters: both ends of one that is longer, which are what tells names apart."""
    return name if len(name) <= most else f"{name[: most - 14]}…{name[-13:]}"
