"""Which shape a file has, and why: the guess that the Data page states and lets the user overrule.

Where no shape knows the columns, the words that people use for them are tried (`query` for a question), and which was
taken for which is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.data.formats import FORMATS, Format
from core.data.formats.format import noun_of
from core.data.mapping import Naming
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
        columns: the columns that were taken for those that the shape needs.
    """

    format: Format
    reason: str
    chosen: bool
    columns: Mapping[str, str] = field(default_factory=dict)


def guess(rows: Sequence[Row], wanted: str = "auto", *, task: str = "causal-lm") -> Guess:
    """The shape of these first rows, or the one that the user names.

    Raises:
        UserError: no known shape fits any row, or none that the task can learn from.
    """
    if wanted != "auto":
        chosen = FORMATS[wanted]()
        if task not in chosen.tasks:
            raise _wrong_task(chosen, task, "data.format")
        columns = {} if any(chosen.fits(row) for row in rows) else _taken(chosen, rows)
        return Guess(chosen, f"You chose it{_said(columns)}.", chosen=True, columns=columns)
    fitting = [member() for member in FORMATS.members if task in member.tasks]
    scored = [(*member.looks_like(rows), member) for member in fitting]
    share, reason, best = max(scored, key=lambda each: each[0])
    if share:
        return Guess(best, reason, chosen=False)
    for member in fitting:
        columns = _taken(member, rows)
        if columns:
            return Guess(member, f"It looks like {member.label}{_said(columns)}.", chosen=False, columns=columns)
    other = next((member() for member in FORMATS.members if member().looks_like(rows)[0]), None)
    if other is not None:
        raise _wrong_task(other, task, "task")
    raise _unknown(rows[0], fitting)


def _taken(format: Format, rows: Sequence[Row]) -> dict[str, str]:
    """Which columns could be those that the shape needs, if it fits rows then; else none."""
    there = {column.lower().strip(): column for column in rows[0].value}
    found: dict[str, str] = {}
    for ours, words in format.synonyms.items():
        theirs = next(
            (there[word] for word in (ours, *words) if word in there and there[word] not in found.values()), ""
        )
        if not theirs:
            return {}
        found[ours] = theirs
    found = {ours: theirs for ours, theirs in found.items() if ours != theirs}
    naming = Naming(found)
    return found if found and format.fits(naming.row(rows[0])) else {}


def _said(columns: Mapping[str, str]) -> str:
    taken = ", ".join(f"'{theirs}' is taken for '{ours}'" for ours, theirs in columns.items())
    return f": {taken}" if taken else ""


def _wrong_task(format: Format, task: str, path: str) -> UserError:
    tasks = " or ".join(sorted(format.tasks))
    return UserError(
        f"The data is {format.label}, which the task '{task}' cannot learn from.",
        hint=f"Set task to {tasks}, or choose another shape or map its columns (data.columns).",
        path=path,
    )


def _unknown(row: Row, fitting: Sequence[Format]) -> UserError:
    keys = ", ".join(
        f"'{key}'" + ("" if isinstance(value, str) else f" ({noun_of(value)})") for key, value in row.value.items()
    )
    known = "; ".join(f"{member.label}: {member.looks}" for member in fitting)
    return UserError(
        f"{row.place}: no known shape has {keys or 'no field'}.",
        hint=f"Say which column is which (data.columns). Known are {known}.",
        path="data.path",
    )
