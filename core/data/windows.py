"""Documents as examples: cut into windows of the longest length, so that nothing of a long one is lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.data.example import Example
from core.data.tokens import Tokens


def windows(
    pairs: Iterator[tuple[Example, NDArray[np.int32]]],
    *,
    beginning: NDArray[np.int32],
    end: int | None,
    max_tokens: int,
) -> Iterator[Tokens]:
    """Documents cut into full windows: each begins as the tokenizer begins a text, the last ends with the end token.

    Args:
        pairs: parts of documents with their ids, in order; `Example.ends` says where a document ends.
        beginning: what the tokenizer puts before every text.
        end: the end-of-text token.
        max_tokens: tokens in a window.
    """
    room = max_tokens - len(beginning)
    kept = np.zeros(0, dtype=np.int32)
    first: Example | None = None
    for example, ids in pairs:
        first = first or example
        if example.ends and end is not None and len(ids) + len(kept):
            ids = np.append(ids, np.int32(end))
        kept = np.concatenate((kept, ids))
        while len(kept) >= room or (example.ends and len(kept)):
            yield _window(kept[:room], beginning, first)
            kept, first = kept[room:], example
        if example.ends:
            first = None


def _window(ids: NDArray[np.int32], beginning: NDArray[np.int32], example: Example) -> Tokens:
    trained = np.ones(len(beginning) + len(ids), dtype=np.bool_)
    trained[: len(beginning)] = False
    return Tokens(np.concatenate((beginning, ids)), trained, example.file, example.row)
