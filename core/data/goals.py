"""What labelled texts are judged as: classes become numbers in an order that does not depend on that of the rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.tokens import TokenList
from core.errors import UserError

Label = str | float


def names_of(labels: Sequence[Label], given: Sequence[str] = ()) -> tuple[str, ...]:
    """The classes: those that the run names, or all that occur, numbers by size and names by the alphabet."""
    if given:
        return tuple(given)
    found = {_name(label) for label in labels}
    return tuple(sorted(found, key=lambda name: (not _is_number(name), float(name) if _is_number(name) else 0.0, name)))


def classes(examples: TokenList, labels: Sequence[Label], names: Sequence[str]) -> NDArray[np.float64]:
    """The number of each example's class, (examples,).

    Args:
        examples: for their places.
        labels: of each example, as the data has it: a class's name, or its number in `names` where no name is one.
        names: of the classes.

    Raises:
        UserError: a label is none of the classes, with its place.
    """
    number = {name: index for index, name in enumerate(names)}
    counted = not any(map(_is_number, names))
    found = np.empty(len(labels), dtype=np.float64)
    for at, label in enumerate(labels):
        name = _name(label)
        place = number.get(name)
        if place is None and counted and name.isdecimal() and int(name) < len(names):
            place = int(name)
        if place is None:
            raise UserError(
                f"{examples[at].place}: there is no class '{name}' in the training data.",
                hint=f"The classes are: {', '.join(names)}.",
                path="data.labels",
            )
        found[at] = place
    return found


def values(examples: TokenList, labels: Sequence[Label]) -> NDArray[np.float64]:
    """The number that each example is to be given, (examples,).

    Raises:
        UserError: a label is no finite number, with its place.
    """
    found = np.empty(len(labels), dtype=np.float64)
    for at, label in enumerate(labels):
        found[at] = float(label) if _is_number(str(label)) else math.nan
        if math.isnan(found[at]):
            raise UserError(
                f"{examples[at].place}: the label '{label}' is no number, which regression needs.",
                hint="To tell classes apart set task to sequence-classification.",
                path="task",
            )
    return found


def _name(label: Label) -> str:
    """How a class is called; 1.0 is the class 1, and no two numbers are called alike."""
    return label if isinstance(label, str) else str(int(label) if label.is_integer() else label)


def _is_number(text: str) -> bool:
    """Whether it is one that can be reckoned with: not `nan`, which may be a word."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
