"""What a format is: how a row of one shape becomes an example, and how such rows are recognised.

A format sees rows whose columns and roles have been given its names already; see `core.data.mapping`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from core.component import Component
from core.data.example import Example
from core.data.row import Row
from core.errors import UserError


class Format(Component):
    """One shape that data comes in."""

    looks: ClassVar[str]
    """One row of it, as people write it."""
    tasks: ClassVar[frozenset[str]] = frozenset({"causal-lm"})
    """What a model can learn from it."""
    synonyms: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The columns that it needs, and how data often names them otherwise, in lower case."""

    def fits(self, row: Row) -> bool:
        """Whether a row has this shape, by its fields alone."""
        raise NotImplementedError

    def reason(self, row: Row) -> str:
        """What of a fitting row gives it away, to stand after "it has"."""
        raise NotImplementedError

    def examples(self, row: Row) -> Iterator[Example]:
        """The examples of a row.

        Raises:
            UserError: the row is not of this shape, with its place and what is wrong.
        """
        raise NotImplementedError

    def looks_like(self, rows: Sequence[Row]) -> tuple[float, str]:
        """The share of the rows that fit, and the sentence that tells the user."""
        fitting = [row for row in rows if self.fits(row)]
        if not fitting:
            return 0.0, f"No row is {self.label}."
        share = len(fitting) / len(rows)
        if len(rows) == 1:
            return share, f"The only row has {self.reason(fitting[0])}."
        if share == 1:
            return share, f"All of the first {len(rows)} rows have {self.reason(fitting[0])}."
        return share, f"{len(fitting)} of the first {len(rows)} rows have {self.reason(fitting[0])}."


def wrong(row: Row, text: str, hint: str = "Mend the row, or take it out of the data.") -> UserError:
    """The complaint about a row."""
    return UserError(f"{row.place}: {text}", hint=hint, path="data.path")


def missing(row: Row, wanted: str) -> UserError:
    """The complaint about a row that lacks what its format needs; it says what is there instead."""
    found = ", ".join(f"'{key}'" for key in row.value) or "no field"
    return wrong(row, f"expected {wanted}, found {found}.", "All rows must have one shape, or choose another shape.")


def first_of(value: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The first of these keys that a row has, or nothing."""
    return next((key for key in keys if key in value), "")


def text_of(row: Row, value: Any, name: str) -> str:
    """A field's text.

    Raises:
        UserError: it is not text, or not text that can be written.
    """
    if not isinstance(value, str):
        raise wrong(row, f"{name} must be text, found {noun_of(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong(row, f"{name} holds half of a character pair (a lone surrogate).", "Write the row again.") from None
    return value


def noun_of(value: Any) -> str:
    """What a value is, for a complaint that it is no text."""
    nouns = {list: "a list", dict: "an object", bool: "a truth value", int: "a number", float: "a number"}
    return "nothing (null)" if value is None else nouns.get(type(value), f"a value of type {type(value).__name__}")
