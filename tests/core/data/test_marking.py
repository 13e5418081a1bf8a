"""Texts that are marked together get the marks that each gets by itself."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.data.example import Example, Turn
from core.data.template import Encoder
from tests.core.data.chats import MISTRAL, STOCK, THINKING, UNMARKED, byte_level, sentence_piece

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PIECES = ("hi", " two words", "\n", "é日本", "</s>", "<|im_end|>", "<think>so</think>", "  ", "")
TOKENIZERS = {
    **{name: lambda text=text: byte_level(text) for name, text in {**STOCK, "thinking": THINKING}.items()},
    "unmarked": lambda: byte_level(UNMARKED),
    "begins": lambda: byte_level(begins=True),
    "sentence piece": lambda: sentence_piece(MISTRAL),
}


def examples(style: str) -> list[Example]:
    chance = Random(2)

    def said() -> str:
        return "".join(chance.choices(PIECES, k=chance.randint(0, 4)))

    found = []
    for number in range(40):
        if style == "plain":
            turns = [Turn("prompt", said()), Turn("completion", said(), trained=True)]
        else:
            roles = ("user", "assistant") * (1 + number % 3)
            turns = [Turn(role, said(), role == "assistant" and number % 7 > 0) for role in roles]  # type: ignore[arg-type]
        if number % 11 == 0:
            turns[-1] = Turn(turns[-1].role, turns[-1].content, trained=True, weight=0.5)
        found.append(Example(tuple(turns), "a.jsonl", number, style=style))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("style", ["chat", "plain"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_group_is_marked_as_its_texts_are_one_by_one(name: str, style: str) -> None:
    tokenizer: PreTrainedTokenizerFast = TOKENIZERS[name]()
    alone = Encoder(tokenizer, train_on="completions", max_tokens=40)
    some = examples(style)
    _, rendered = alone._rendered(some)
    called = [
        tokenizer(each.text, add_special_tokens=each.specials, return_offsets_mapping=True, verbose=False)
        for each in rendered
    ]
    wanted = [
        alone._tokens(one, each, np.array(call["input_ids"], np.int32), np.array(call["offset_mapping"]).reshape(-1, 2))
        for one, each, call in zip(some, rendered, called, strict=True)
    ]
    together = Encoder(tokenizer, train_on="completions", max_tokens=40)
    found = list(together.encode_all([some[:25], some[25:]]))
    assert together.noticed == alone.noticed
    for one, other in zip(wanted, found, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert one.trained.tolist() == other.trained.tolist()
        assert (one.weights is None) == (other.weights is None)
        assert one.weights is None or other.weights is None or one.weights.tolist() == other.weights.tolist()
        assert (one.row, one.cut, one.cut_trained, one.stops) == (other.row, other.cut, other.cut_trained, other.stops)
