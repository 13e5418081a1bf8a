"""Options and choices as the window writes them: by the labels that stand on its forms.

What `core` says of a run names options and choices as the run file does: "Set adapter.init to eva". So it is right on
the command line, and so it is kept in the database. No other word looks like such a name, so the names are marks as
well: here, and nowhere else, the window finds them and puts its own words in their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from app.forms.field import Field, fields_of
from app.words import number
from core.component import Part
from core.config.run import AXES, RunConfig

_SPOKEN = {
    "auto": "Automatic",
    "causal-lm": "Write text",
    "cpu": "CPU",
    "cuda": "CUDA",
    "mps": "Apple (MPS)",
    "preference": "Prefer answers",
    "regression": "Rate texts",
    "sequence-classification": "Sort texts",
}


def spoken(value: Any) -> str:
    """A literal as the form writes it: `completions` becomes `Completions`, names of precisions stay."""
    text = str(value)
    plain = text if any(mark.isdigit() for mark in text) else text[:1].upper() + text[1:].replace("-", " ")
    return _SPOKEN.get(text, plain)


def labelled(sentence: str) -> str:
    """The sentence with labels in place of names, and with numbers as the window writes them.

    "Set train.schedule to linear." becomes "Set 'Schedule' to 'Linear'.", and "adapter.init 'eva' needs" "Start 'Main
    directions of the inputs (EVA)' needs".
    """
    pattern, known = _marks()

    def worded(found: re.Match[str]) -> str:
        label, choices = known[found["path"]]
        if chosen := found["chosen"]:
            return f"{label} '{choices.get(chosen, chosen)}'"
        values = _CHOICE.sub(lambda one: f"'{choices[one[0]]}'" if one[0] in choices else one[0], found["values"] or "")
        return f"'{label}'{values}" if "." in found["path"] or values else found[0]

    return _NUMBER.sub(lambda one: number(int(one[0].replace(",", ""))), pattern.sub(worded, sentence))


_NUMBER = re.compile(r"(?<![\w.,/-])\d{1,3}(?:,\d{3})+(?![\w,/-])(?!\.\w)")
_CHOICE = re.compile(r"(?!(?:to|is|or) )[\w+/()-]+")


@cache
def _marks() -> tuple[re.Pattern[str], Mapping[str, tuple[str, Mapping[str, str]]]]:
    """What finds an option, perhaps with choices behind it; and for each option its label and those of its choices."""
    known = {path: (field.label, _choices(field)) for path, field in _options(RunConfig)}
    paths = "|".join(re.escape(path) for path in sorted(known, key=len, reverse=True))
    kinds = {kind for _, choices in known.values() for kind in choices}
    kind = f"(?:{'|'.join(re.escape(kind) for kind in sorted(kinds, key=len, reverse=True))})(?![\\w-])"
    behind = f"(?P<values> (?:to|is) {kind}(?:(?:, | or ){kind})*)|(?: '(?P<chosen>{kind})')"
    return re.compile(rf"(?<![\w.'/-])(?P<path>{paths})(?!\.?\w)(?:{behind})?"), known


def _options(part: type[BaseModel], above: str = "") -> Iterator[tuple[str, Field]]:
    """Every option by its dotted path, those of the members of an axis too."""
    for field in fields_of(part):
        path = f"{above}{field.name}"
        yield path, field
        inner = field.axis.members if field.axis else (field.annotation,)
        for one in inner:
            if isinstance(one, type) and issubclass(one, Part):
                yield from _options(one, f"{path}.")


def _choices(field: Field) -> Mapping[str, str]:
    """What can be chosen there, as the run file has it, to what the form calls it."""
    if (axis := field.axis or AXES.get(field.name)) is not None:
        return {member.kind: member.label for member in axis.members}
    return {str(value): spoken(value) for value in field.literals}
