"""From a text, or a pair of texts, to the tokens that a model judges.

The tokenizer's own frame is kept (`[CLS] one [SEP] other [SEP]`). Where it has none for pairs, as those of models that
write have none, the texts stand in two lines. What is too long is cut from the longer text's end, inside the frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.data.example import Example
from core.data.tokens import NO_GOAL, Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def labelled(example: Example, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> Tokens:
    """One example as tokens, none of which is itself learned; its goal is set once all labels are known."""
    texts = [turn.content for turn in example.turns]
    framed = tokenizer.num_special_tokens_to_add(pair=True) > tokenizer.num_special_tokens_to_add(pair=False)
    pair = len(texts) == 2 and framed
    if not pair:
        texts = ["\n".join(texts)]
    whole = _called(tokenizer, texts, None)
    called = whole if len(whole["input_ids"]) <= max_tokens else _called(tokenizer, texts, max_tokens)
    ids = np.array(called["input_ids"], dtype=np.int32)
    kinds = called.get("token_type_ids", [])
    goal = example.label if isinstance(example.label, float) else NO_GOAL
    return Tokens(
        ids,
        np.zeros(len(ids), dtype=np.bool_),
        example.file,
        example.row,
        cut=len(whole["input_ids"]) - len(ids),
        second=kinds.index(1) if 1 in kinds else 0,
        goal=goal,
    )


def _called(tokenizer: PreTrainedTokenizerBase, texts: list[str], longest: int | None) -> Any:
    return tokenizer(
        *texts, truncation=longest is not None, max_length=longest, return_attention_mask=False,
        return_token_type_ids=True, verbose=False,
    )  # fmt: skip
