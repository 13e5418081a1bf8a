"""The answers of many texts marked at once: the rule of `core.data.template`, over the tokens of a whole group.

Marking text by text costs a dozen small array operations each, which for a million texts takes longer than reading
them. Here the tokens of a group lie one after the other, and each operation is done for all of them. What is out of the
ordinary (an answer that begins inside a token, or whose end is no special token) is left to the rule for single texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.rendering import Rendered, Span

_NOWHERE = Span(0, -1, -1, -1)
"""An answer that no token belongs to."""


@dataclass(frozen=True, slots=True)
class Group:
    """Texts as tokens, one behind the other.

    Attributes:
        ids: token ids, int32 (tokens,).
        offsets: for each token its first character in its text and the one behind its last, int64 (tokens, 2).
        borders: where each text begins, and the end of the last one, (texts + 1,).
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    borders: NDArray[np.int64]

    @classmethod
    def of(cls, encodings: Sequence[Any]) -> Group:
        """What the tokenizer has made of the texts."""
        ids = [encoding.ids for encoding in encodings]
        borders = np.cumsum([0, *map(len, ids)])
        pairs = chain.from_iterable(encoding.offsets for encoding in encodings)
        offsets = np.fromiter(chain.from_iterable(pairs), dtype=np.int64, count=2 * int(borders[-1]))
        flat = np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=int(borders[-1]))
        return cls(flat, offsets.reshape(-1, 2), borders)

    def inside(self, index: int) -> slice:
        """Where the tokens of a text lie."""
        return slice(int(self.borders[index]), int(self.borders[index + 1]))


@dataclass(frozen=True, slots=True)
class Marked:
    """Which tokens of a group are answers.

    Attributes:
        trained: those, bool (tokens,).
        ordinary: of each text whether it has been marked at all, bool (texts,).
        closed: of each text whether the end of its last answer is marked, bool (texts,).
    """

    trained: NDArray[np.bool_]
    ordinary: NDArray[np.bool_]
    closed: NDArray[np.bool_]


def marked(group: Group, rendered: Sequence[Rendered], special: NDArray[np.bool_]) -> Marked:
    """Mark the answers of texts.

    Args:
        group: their tokens.
        rendered: where their answers stand, and up to where their ends may.
        special: for every token id whether it is no text.
    """
    count = len(rendered)
    trained = np.zeros(len(group.ids), dtype=np.bool_)
    ordinary, closed = np.ones(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    text_of = np.repeat(np.arange(count), np.diff(group.borders))
    starts, ends = group.offsets[:, 0], group.offsets[:, 1]
    specials = special[group.ids]
    for number in range(max((len(each.spans) for each in rendered), default=0)):
        spans = [each.spans[number] if number < len(each.spans) else _NOWHERE for each in rendered]
        begin, end, tail = np.array([(span.start, span.end, span.tail) for span in spans])[text_of].T
        ahead = starts < begin
        ordinary[text_of[ahead & (ends > begin) & ~specials]] = False
        trained |= (starts < end) & (ends > begin) & ~(specials & ahead)
        after = ends > end
        closing = np.flatnonzero(specials & after & (starts >= begin) & (starts < tail))
        first = np.full(count, -1)
        first[text_of[closing[::-1]]] = closing[::-1]
        trained |= after & (np.arange(len(trained)) <= first[text_of])
        for index in np.flatnonzero(first < 0).tolist():
            span = spans[index]
            ordinary[index] &= not rendered[index].text[span.end : span.tail].strip() or span is _NOWHERE
        there = np.array([span is not _NOWHERE for span in spans])
        closed[there] = first[there] >= 0
    return Marked(trained, ordinary, closed)
