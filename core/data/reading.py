"""Files to tokens in one stream: rows, the guess of their shape, examples, and tokens a few hundred at a time.

Only the tokens are kept, and the first few examples to look at, so that memory grows with the tokens and not the text.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from core.config.run import DataConfig
from core.data.example import Example
from core.data.files import Source, find
from core.data.formats import Format
from core.data.guess import LOOKED_AT, Guess, guess
from core.data.mapping import Naming
from core.data.oddities import MARKS, oddities
from core.data.places import Places
from core.data.row import Row
from core.data.sameness import near_key
from core.data.template import Encoder
from core.data.tokens import TokenList, Tokens
from core.data.windows import windows
from core.saying import Say

SHOWN = 50
"""Examples that are kept to look at."""
GROUP = 512
"""Examples in one call of the tokenizer."""
GROUP_TEXT = 2**20
"""Characters after which a call is made sooner."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of the data a mere look reads, so that a huge file answers in seconds as well."""

    rows: int = 10_000
    bytes: int = 8 * 2**20


@dataclass
class Reading:
    """What was read from one path.

    Attributes:
        guess: the shape that rows were read in, and why.
        tokens: all examples; none where no tokenizer was given.
        first: the first examples, as they stand in the data.
        rows: how many were read.
        examples: how many examples those made, before documents are cut into windows.
        notes: what the user should know on the choice of files.
        share: of the data's bytes, how much was read.
        chats: whether any example goes through a chat template.
        labels: of each example, where they are labelled.
        oddities: what was noticed on the way, by name, with the places of the rows.
        odd: the same by the numbers of the examples; none where they are parts of documents.
        near: of each example what `core.data.sameness.near_key` says; none where they are parts of documents.
    """

    guess: Guess
    tokens: TokenList = field(default_factory=TokenList)
    first: list[Example] = field(default_factory=list)
    rows: int = 0
    examples: int = 0
    notes: tuple[str, ...] = ()
    share: float = 1.0
    chats: bool = False
    labels: list[str | float] = field(default_factory=list)
    oddities: dict[str, Places] = field(default_factory=dict)
    odd: dict[str, array[int]] = field(default_factory=dict)
    near: array[int] = field(default_factory=lambda: array("q"))

    def notice(self, oddity: str, example: Example) -> None:
        """Remember that the newest example has this oddity."""
        self.oddities.setdefault(oddity, Places()).add(example.place)
        if example.style != "document":
            self.odd.setdefault(oddity, array("q")).append(self.examples - 1)

    @property
    def near_keys(self) -> NDArray[np.int64]:
        """`near` as numbers to reckon with."""
        return np.array(self.near, dtype=np.int64)


def read(
    path: str,
    data: DataConfig,
    *,
    task: str,
    encoder: Encoder | None,
    progress: Say,
    limit: Limit | None = None,
) -> Reading:
    """Read the data at a path.

    Args:
        path: a file or a folder.
        data: the run's; its shape, its names of columns and roles, and its longest example are used.
        task: what the run learns.
        encoder: makes tokens; None where only the rows are looked at.
        progress: told how far it is.
        limit: where to stop; None reads all.

    Raises:
        UserError: a file or a row that cannot be read, with its place.
    """
    source = find(path)
    rows = iter(Naming(data.columns, data.roles).apply(source.rows()))
    head = list(islice(rows, LOOKED_AT))
    reading = Reading(guess(head, data.format, task=task), notes=source.notes)
    named = Naming(reading.guess.columns).apply(_within(limit, chain(head, rows), source))
    stream = _examples(named, reading.guess.format, reading, encoder)
    groups = _groups(stream, source, progress)
    if encoder is None:
        for _ in groups:  # only to count
            pass
    else:
        encoder.noticed = {}
        reading.tokens = TokenList(_tokens(groups, encoder, data.max_tokens))
        reading.oddities |= encoder.noticed
    reading.share = min(1.0, source.done / source.size) if source.size else 1.0
    return reading


def _examples(
    rows: Iterable[Row], format: Format, reading: Reading, encoder: Encoder | None
) -> Iterator[Example]:  # fmt: skip
    """The rows' examples, counted into `reading` on the way."""
    for row in rows:
        reading.rows += 1
        for example in format.examples(row):
            reading.examples += 1
            reading.chats |= example.style == "chat"
            for oddity in oddities(example):
                reading.notice(oddity, example)
            if encoder is not None and encoder.holds_marks(example):
                reading.notice(MARKS, example)
            if example.style != "document":
                reading.near.append(near_key(example))
            if example.label is not None:
                reading.labels.append(example.label)
            if len(reading.first) < SHOWN:
                reading.first.append(example)
            yield example


def _within(limit: Limit | None, rows: Iterator[Row], source: Source) -> Iterator[Row]:
    """The rows up to the limit."""
    for number, row in enumerate(rows):
        if limit and (number >= limit.rows or (source.done >= limit.bytes and number >= LOOKED_AT)):
            return
        yield row


def _groups(examples: Iterator[Example], source: Source, progress: Say) -> Iterator[list[Example]]:
    """The examples in groups that are worth a call."""
    group: list[Example] = []
    size = 0
    for example in examples:
        group.append(example)
        size += sum(len(turn.content) for turn in (*example.turns, *example.rejected)) + len(example.ids)
        if len(group) >= GROUP or size >= GROUP_TEXT:
            yield group
            progress("Reading the data", min(1.0, source.done / max(1, source.size)))
            group, size = [], 0
    if group:
        yield group


def _tokens(groups: Iterator[list[Example]], encoder: Encoder, max_tokens: int) -> Iterator[Tokens]:
    """Chats and plain examples one by one, documents in windows."""
    first = next(groups, None)
    if first is None:
        return
    groups = chain([first], groups)
    if first[0].style == "document":
        beginning, end = encoder.beginning, encoder.end
        yield from windows(_documents(groups, encoder), beginning=beginning, end=end, max_tokens=max_tokens)
    else:
        yield from encoder.encode_all(groups)


def _documents(groups: Iterator[list[Example]], encoder: Encoder) -> Iterator[tuple[Example, NDArray[np.int32]]]:
    for group in groups:
        texts = [example.turns[0].content for example in group]
        yield from zip(group, encoder.text_ids(texts), strict=True)
