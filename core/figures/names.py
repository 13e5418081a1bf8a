"""Names where there is little room for them."""

from __future__ import annotations

_SHARED = frozenset({"dense", "c_proj", "proj", "Wo"})
"""Last parts of a name that one family or another gives to several matrices of a block."""


def matrix_name(name: str, block: int | None) -> str:
    """`19.q_proj`: the block and the last part of a matrix's name; all of its path there where that part is shared."""
    last = name.rpartition(".")[2]
    if block is None:
        return last
    inside = name.partition(f".{block}.")[2] if last in _SHARED or "expert" in name else ""
    return f"{block}.{inside or last}"


def shortened(name: str, most: int = 44) -> str:
    """A name of at most so many letters: both ends of one that is longer, which are what tells names apart."""
    return name if len(name) <= most else f"{name[: most - 14]}…{name[-13:]}"
