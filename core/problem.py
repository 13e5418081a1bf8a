"""One thing that is wrong with a run before it starts, placed on the option it concerns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake, or something worth knowing, that the user can act on.

    Attributes:
        path: the option it concerns, dotted (`adapter.rank`).
        text: one sentence: what is wrong, and where.
        hint: what to do about it; empty where the text says it all.
        blocking: whether the run cannot start before it is mended.
    """

    path: str
    text: str
    hint: str = ""
    blocking: bool = True
