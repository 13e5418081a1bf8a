"""trl as the judge of how chats, prompts and pairs become text."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from core.data.example import Example
from core.data.formats import FORMATS
from core.data.row import Row
from core.data.template import Encoder
from core.data.tokens import Tokens
from tests.core.data.chats import STOCK, byte_level

trl = pytest.importorskip("trl.data_utils")

ASK = {"role": "user", "content": "Which one, and why?"}
SAY = {"role": "assistant", "content": "The first. It is näher."}
NO = {"role": "assistant", "content": "Neither of them."}
TALK = [ASK, SAY, {"role": "user", "content": "And now?"}, NO]


def ours(template: str, kind: str, value: dict[str, Any]) -> Tokens:
    (example,) = FORMATS[kind]().examples(Row("a.jsonl", 1, value))
    assert isinstance(example, Example)
    return Encoder(byte_level(STOCK[template]), train_on="completions", max_tokens=999).encode([example])[0]


def text(template: str, ids: Any) -> str:
    return str(byte_level(STOCK[template]).decode(ids.tolist()))


def learned(template: str, tokens: Tokens) -> str:
    return text(template, tokens.ids[np.flatnonzero(tokens.trained)])


@pytest.mark.parametrize("template", STOCK)
def test_chats_are_written_as_trl_writes_them(template: str) -> None:
    theirs = trl.apply_chat_template({"messages": TALK}, byte_level(STOCK[template]))
    assert text(template, ours(template, "messages", {"messages": TALK}).ids) == theirs["text"]
    shared = {"conversations": [{"from": each["role"], "value": each["content"]} for each in TALK]}
    converted = trl.apply_chat_template(trl.maybe_convert_to_chatml(deepcopy(shared)), byte_level(STOCK[template]))
    assert text(template, ours(template, "conversations", shared).ids) == converted["text"]


@pytest.mark.parametrize("template", STOCK)
def test_prompts_end_where_trl_ends_them(template: str) -> None:
    value = {"prompt": TALK[:3], "completion": TALK[3:]}
    theirs = trl.apply_chat_template(value, byte_level(STOCK[template]))
    found = ours(template, "prompt-completion", value)
    assert text(template, found.ids) == theirs["prompt"] + theirs["completion"]
    assert theirs["completion"].startswith(learned(template, found).rstrip("\n"))
    assert set(theirs["completion"].removeprefix(learned(template, found))) <= set("\n</s>")


@pytest.mark.parametrize("template", STOCK)
@pytest.mark.parametrize("implicit", [True, False])
def test_pairs_are_split_as_trl_splits_them(template: str, implicit: bool) -> None:
    value: dict[str, Any] = {"chosen": [ASK, SAY], "rejected": [ASK, NO]}
    theirs = trl.apply_chat_template(trl.extract_prompt(value), byte_level(STOCK[template]))
    if not implicit:
        value = trl.extract_prompt(value)
    sides = ours(template, "preference", value).texts()
    for side, name in zip(sides, ("chosen", "rejected"), strict=True):
        assert text(template, side.ids) == theirs["prompt"] + theirs[name]
        assert theirs[name].startswith(learned(template, side).rstrip("\n"))


def test_the_prompt_of_two_texts_is_trls_back_to_a_whole_word() -> None:
    value = {"chosen": "The sky is blue today.", "rejected": "The sky is bleak."}
    theirs = trl.extract_prompt(value)
    (example,) = FORMATS["preference"]().examples(Row("a.jsonl", 1, value))
    assert theirs["prompt"] == "The sky is bl"
    assert example.turns[0].content == "The sky is "
    assert example.turns[0].content + example.turns[1].content == value["chosen"]
