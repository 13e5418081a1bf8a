"""Texts with what they are to be judged as."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from core.data.example import Example, Turn
from core.data.formats.format import Format, first_of, missing, text_of, wrong
from core.data.row import Row

FIRST = ("text", "question", "premise", "sentence1", "text1", "question1", "sentence", "review", "content")
SECOND = ("text_pair", "sentence2", "text2", "hypothesis", "question2", "sentence", "passage")
LABELS = ("label", "labels", "class", "category", "score", "target")


class Classification(Format):
    """A text, or a pair of texts, and its label: a name to tell it from others by, or a number to measure it with."""

    kind = "classification"
    label = "text / label"
    looks: ClassVar[str] = '{"text": "...", "label": "..."}, or {"sentence1": "...", "sentence2": "...", "label": 3.5}'
    tasks: ClassVar[frozenset[str]] = frozenset({"sequence-classification", "regression"})
    synonyms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("text", "sentence", "review", "comment", "tweet", "body", "gloss", "title", "input"),
        "label": ("label", "labels", "class", "category", "sentiment", "topic", "rating", "stars", "output", "y"),
    }

    def fits(self, row: Row) -> bool:
        return bool(first_of(row.value, FIRST) and first_of(row.value, LABELS))

    def reason(self, row: Row) -> str:
        return " and ".join(f"'{name}'" for name in (*_columns(row), first_of(row.value, LABELS)))

    def examples(self, row: Row) -> Iterator[Example]:
        if not self.fits(row):
            raise missing(row, "'text' and 'label'")
        turns = tuple(Turn("text", text_of(row, row.value[name], f"'{name}'")) for name in _columns(row))
        name = first_of(row.value, LABELS)
        yield Example(turns, row.file, row.number, style="labelled", label=_label(row, row.value[name], name))


def _columns(row: Row) -> tuple[str, ...]:
    """The column of the text, or the two of a pair."""
    one = first_of(row.value, FIRST)
    other = next((name for name in SECOND if name in row.value and name != one), "")
    return (one, other) if other else (one,)


def _label(row: Row, value: Any, name: str) -> str | float:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise wrong(row, f"'{name}' is no number ({value}).", "Give every row a label, or leave such rows out.")
        return float(value)
    label = text_of(row, value, f"'{name}'").strip()
    if not label:
        raise wrong(row, f"'{name}' is empty.", "Give every row a label, or leave such rows out.")
    return label
