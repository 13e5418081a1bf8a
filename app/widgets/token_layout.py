"""Where each token of a micro-batch stands: lines of running tokens under the heading of the text that they belong to.

A micro-batch comes as rows; a row may hold several texts, one behind the other (packing). Each text begins under a
heading of its own, so that the border between two texts cannot be missed; padding is one short note at a row's end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, repeat
from typing import Any

PADDING = -1
"""What `texts` says of a token that belongs to none."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token as the model sees it.

    Attributes:
        piece: its text.
        id: its number in the vocabulary.
        position: where it stands, as the model counts.
        trained: whether it is learned.
        special: whether it is a mark rather than text.
        row, text: which row of the batch and which text it belongs to.
        weight: how much it counts where it is learned.
    """

    piece: str
    id: int
    position: int
    trained: bool
    special: bool
    row: int
    text: int
    weight: float = 1.0

    @property
    def shown(self) -> str:
        """Its text on one line: a break is an arrow, a tab a wide arrow."""
        return self.piece.replace("\r", "␍").replace("\n", "⏎").replace("\t", "⇥")

    @property
    def breaks(self) -> bool:
        """Whether the text goes on on a new line behind it."""
        return "\n" in self.piece


@dataclass(frozen=True, slots=True)
class Heading:
    """Stands above a text, or for the padding of a row (`text` -1)."""

    row: int
    text: int
    count: int
    first: bool


@dataclass(slots=True)
class Line:
    """One line: a heading, or tokens with the places where they begin and their widths."""

    top: float
    heading: Heading | None = None
    tokens: list[tuple[int, float, float]] = field(default_factory=list)


def tokens_of(batch: Mapping[str, Any]) -> list[Token]:
    """All tokens of a micro-batch (`core.data.preview`), row after row, without padding."""
    names = ("pieces", "ids", "positions", "trained", "special", "texts")
    return [
        Token(piece, id, position, trained, special, number, text, weight)
        for number, row in enumerate(batch["rows"])
        for (piece, id, position, trained, special, text), weight in zip(
            zip(*(row[name] for name in names), strict=True), row.get("weights") or repeat(1.0), strict=False
        )
        if text != PADDING
    ]


def headings_of(batch: Mapping[str, Any]) -> Iterator[Heading]:
    """The heading of each stretch of tokens that belong together, in order, and those of the padding."""
    for number, row in enumerate(batch["rows"]):
        first = True
        for text, stretch in groupby(row["texts"]):
            yield Heading(number, text, len(list(stretch)), first)
            first = False


def lay_out(
    batch: Mapping[str, Any],
    tokens: list[Token],
    *,
    width: float,
    measure: Callable[[Token], float],
    line_height: float,
    heading_height: float,
) -> list[Line]:
    """Break the tokens into lines no wider than `width`; `measure` says how wide a token is painted."""
    lines: list[Line] = []
    top, at = 0.0, 0
    for heading in headings_of(batch):
        lines.append(Line(top, heading))
        top += heading_height
        if heading.text == PADDING:
            continue
        x = 0.0
        line = Line(top)
        for index in range(at, at + heading.count):
            wide = measure(tokens[index])
            if x and x + wide > width:
                lines.append(line)
                top += line_height
                line, x = Line(top), 0.0
            line.tokens.append((index, x, wide))
            x += wide
            if tokens[index].breaks:
                lines.append(line)
                top += line_height
                line, x = Line(top), 0.0
        if line.tokens:
            lines.append(line)
            top += line_height
        at += heading.count
        top += line_height / 2
    return lines
