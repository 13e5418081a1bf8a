"""Something about the data that the user should know, and what it is found in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.places import NAMED
from core.data.reading import Reading
from core.data.template import Encoder
from core.data.tokens import TokenList

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the data that the user should know.

    Attributes:
        path: the field of the run that it concerns, dotted.
        text: what it is, with a count and the first place.
        hint: what to do about it.
        blocking: whether a run cannot start with it.
        check: the name of the check, for `data.overrides`, `data.leave_out` and the window.
        count: how many examples it concerns; 0 where it is not about examples.
        rows: the first places.
        remedy: fields of the run to the values that would mend it, for one click; empty where only the user can.
        does: what the remedy does, for the button; empty where the fields say it.
        overruled: the user's reason for starting all the same.
        settled: whether nothing is left to do: it was mended, and is said so that nothing happens in silence.
    """

    path: str
    text: str
    hint: str = ""
    blocking: bool = False
    check: str = ""
    count: int = 0
    rows: tuple[str, ...] = ()
    remedy: dict[str, Any] = field(default_factory=dict)
    does: str = ""
    overruled: str = ""
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """What the checks and the report look at.

    Attributes:
        reading: the data's path.
        encoder: what made the tokens; None where no model was chosen.
        tokens: its examples, without those that were left out.
        train: examples to train on.
        held_out: examples held out.
        marks: what was found about `tokens`: the name of a check to the examples it is about.
        shared: the same of `held_out`: which of them are trained on as well.
        left: the name of a check to those that were left out for it, of `reading.tokens`.
        labels: the classes of labelled texts.
        task: what the run learns.
        vocabulary: tokens that the model knows; 0 where nobody can tell.
        context: tokens that it reads at most; 0 where nobody can tell.
    """

    reading: Reading
    encoder: Encoder | None
    tokens: TokenList
    train: TokenList
    held_out: TokenList
    marks: Mapping[str, Indices]
    shared: Mapping[str, Indices]
    left: Mapping[str, Indices]
    labels: tuple[str, ...] = ()
    task: str = "causal-lm"
    vocabulary: int = 0
    context: int = 0

    def marked(self, check: str) -> Indices:
        """The examples that a check is about."""
        return self.marks.get(check, np.zeros(0, dtype=np.int64))


def about(examples: TokenList, which: Indices, path: str, text: str, hint: str, **more: Any) -> Problem:
    """A problem of some examples."""
    return Problem(path, text, hint, count=len(which), rows=rows_of(examples, which), **more)


def rows_of(examples: TokenList, which: Indices) -> tuple[str, ...]:
    """The places of the first of these examples."""
    return tuple(examples[int(at)].place for at in which[:NAMED])


def everything(examples: TokenList) -> Indices:
    """All of them, as what a problem is about."""
    return np.arange(len(examples))


def counted(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
