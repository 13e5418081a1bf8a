"""Which scripts of the data a tokenizer has no letters for, and spells in bytes.

All of the data is looked through, as tokens: a table says of every id whether it is a part of a letter. The examples
that have such ids, mostly few, are turned into bytes and their letters told apart by script, a million tokens at once.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.spelling import Spelling, spelling
from core.data.tokens import TokenList

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Indices = NDArray[np.int64]

FEWEST = 50
"""Letters below which a script is only quoted."""
BROKEN = 1.5
"""Tokens for a letter from which it is said to be broken into bytes; whole letters take one, words far less."""
AT_ONCE = 2**20
"""Tokens that are looked through at once."""
LAST_LETTER = 0x20000
"""Code points from here on are rare Chinese letters."""


@dataclass
class Script:
    """What was found of a script, in the examples that have parts of letters.

    Attributes:
        name: of the script.
        letters: how many there are.
        tokens: how many they take.
        examples: those in which one of them is broken into bytes.
    """

    name: str
    letters: int = 0
    tokens: int = 0
    examples: list[Indices] = field(default_factory=list)

    @property
    def tokens_per_letter(self) -> float:
        """How many tokens a letter takes."""
        return self.tokens / max(1, self.letters)

    @property
    def where(self) -> Indices:
        """The examples, in order."""
        return np.concatenate(self.examples) if self.examples else np.zeros(0, dtype=np.int64)


def broken_scripts(tokens: TokenList, tokenizer: PreTrainedTokenizerBase) -> list[Script]:
    """The scripts that take more than `BROKEN` tokens a letter where they are broken, the commonest first."""
    table = spelling(tokenizer)
    names = scripts()[0]
    found = [Script(name) for name in names]
    for first, ids, borders in tokens.chunks(AT_ONCE):
        parts = np.concatenate(([0], np.cumsum(table.broken[ids])))
        concerned = np.flatnonzero(parts[borders[1:]] > parts[borders[:-1]])
        if len(concerned):
            inside = np.concatenate([np.arange(borders[at], borders[at + 1]) for at in concerned])
            owners = np.repeat(first + concerned, np.diff(borders)[concerned])
            _count(found, table, ids[inside], owners)
    broken = [one for one in found[1:] if one.letters >= FEWEST and one.tokens_per_letter > BROKEN]
    return sorted(broken, key=lambda one: -len(one.where))


def _count(found: list[Script], table: Spelling, ids: NDArray[np.int32], owners: Indices) -> None:
    """Add the letters of some tokens to what was found.

    Args:
        found: the scripts by their numbers.
        table: what the tokens are made of.
        ids: the tokens, (tokens,).
        owners: the example of each of them, (tokens,).
    """
    letters, begin, end = _letters(*table.bytes_of(ids))
    kinds = scripts()[1][letters]
    whole = (kinds > 0) & (owners[begin] == owners[end])
    kinds, begin, end = kinds[whole], begin[whole], end[whole]
    shared = np.zeros(len(kinds), dtype=np.bool_)  # with the letter before it, in one token
    shared[1:] = (begin[1:] == end[:-1]) & (kinds[1:] == kinds[:-1])
    for kind in np.unique(kinds):
        mine = kinds == kind
        found[kind].letters += int(mine.sum())
        found[kind].tokens += int((end[mine] - begin[mine] + 1 - shared[mine]).sum())
        broken = np.unique(owners[begin[mine & (end > begin)]])
        if len(broken):
            found[kind].examples.append(broken)


def _letters(data: NDArray[np.uint8], tokens: Indices) -> tuple[NDArray[np.int64], Indices, Indices]:
    """The letters beyond ASCII in some bytes: their code points, and the tokens of their first and last byte.

    Args:
        data: UTF-8, perhaps with letters that lack a part, (bytes,).
        tokens: the token of each byte, (bytes,).
    """
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    for size, mark, mask in ((2, 0b110, 0x1F), (3, 0b1110, 0x0F), (4, 0b11110, 0x07)):
        at = np.flatnonzero(data[: max(0, len(data) - size + 1)] >> (7 - size) == mark)
        code = (data[at] & mask).astype(np.int64)
        for step in range(1, size):
            follows = data[at + step] >> 6 == 0b10
            at = at[follows]
            code = code[follows] << 6 | (data[at + step] & 0x3F)
        found.append((at, code, np.full(len(at), size)))
    begin, letters, sizes = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(begin, kind="stable")
    begin, sizes = begin[order], sizes[order]
    return np.minimum(letters[order], LAST_LETTER), tokens[begin], tokens[begin + sizes - 1]


@cache
def scripts() -> tuple[tuple[str, ...], NDArray[np.uint16]]:
    """The names of scripts, and for each code point the number of its script; 0 for Latin and for what is no letter."""
    numbers = {"": 0}
    kinds = np.zeros(LAST_LETTER + 1, dtype=np.uint16)
    for code, name in _named():
        kinds[code] = numbers.setdefault(name, len(numbers))
    return tuple(numbers), kinds


def _named() -> Iterator[tuple[int, str]]:
    """Letters beyond Latin with the name of their script."""
    for code in range(0x80, LAST_LETTER + 1):
        letter = chr(code)
        if letter.isalpha():
            name = unicodedata.name(letter, "").split(" ")[0].split("-")[0].capitalize()
            if name not in ("", "Latin"):
                yield code, {"Cjk": "Chinese"}.get(name, name)
