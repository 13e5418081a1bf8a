"""Which shape a file has, and why: the guess that the Data page states and lets the user overrule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.data.formats import FORMATS, Format
from core.data.row import Row
from core.errors import UserError

LOOKED_AT = 50
"""Rows that a guess looks at."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The shape that rows are read in.

    Attributes:
        format: the shape.
        reason: a sentence on why.
        chosen: whether the user said so, rather than the rows.
    """

    format: Format
    reason: str
    chosen: bool


def guess(rows: Sequence[Row], wanted: str = "auto") -> Guess:
    """The shape of these first rows, or the one that the user names.

    Raises:
        UserError: no known shape fits any row, or there is none of the wanted name.
    """
    if wanted != "auto":
        return Guess(FORMATS[wanted](), "You chose it.", chosen=True)
    scored = [(*member().looks_like(rows), member()) for member in FORMATS.members]
    share, reason, best = max(scored, key=lambda each: each[0])
    if not share:
        keys = ", ".join(f"'{key}'" for key in rows[0].value) or "no field"
        raise UserError(
            f"{rows[0].place}: no known shape has {keys}.",
            hint="Known are " + "; ".join(f"{member.label}: {member.looks}" for member in FORMATS.members) + ".",
            path="data.path",
        )
    return Guess(best, reason, chosen=False)
