"""What of a tokenizer's vocabulary is no text: the marks that begin and end texts and turns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def id_of(value: Any) -> int | None:
    """A token's id, where the tokenizer has one such token."""
    return value if isinstance(value, int) else None


def special(tokenizer: PreTrainedTokenizerBase) -> NDArray[np.bool_]:
    """For every id whether it is no text: those may mark the end of a turn."""
    added = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    ids = sorted({*tokenizer.all_special_ids, *added})
    found = np.zeros(max(len(tokenizer), *tokenizer.get_vocab().values(), *ids, 0) + 1, dtype=np.bool_)
    found[ids] = True
    return found


def special_words(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Finds the special words of a tokenizer in a text."""
    words = {*tokenizer.all_special_tokens, *(t.content for t in tokenizer.added_tokens_decoder.values() if t.special)}
    return re.compile("|".join(map(re.escape, sorted(filter(None, words), reverse=True))) or r"(?!)")


def beginning(tokenizer: PreTrainedTokenizerBase) -> NDArray[np.int32]:
    """What the tokenizer puts before every text: its begin-of-text token, or nothing."""
    called = tokenizer("a", return_offsets_mapping=True)
    lead = next(index for index, (start, end) in enumerate(called["offset_mapping"]) if end > start)
    return np.array(called["input_ids"][:lead], dtype=np.int32)


def is_direct(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer hands texts on to the library behind it as they are."""
    from transformers import PreTrainedTokenizerFast

    names = ("__call__", "_encode_plus")
    return all(getattr(type(tokenizer), name) is getattr(PreTrainedTokenizerFast, name, None) for name in names)
