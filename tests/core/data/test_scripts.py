"""What a tokenizer breaks into bytes is found wherever it stands, and by script."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import scripts
from core.data.scripts import broken_scripts
from core.data.spelling import spelling
from core.data.tokens import TokenList, Tokens
from tests.core.data.chats import byte_level, sentence_piece


def listed(texts: list[str], tokenizer: object) -> TokenList:
    called = tokenizer(texts, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
    return TokenList(Tokens(np.array(ids, dtype=np.int32), np.ones(len(ids), dtype=np.bool_)) for ids in called)


@pytest.mark.parametrize("make", [byte_level, sentence_piece])
@settings(deadline=None, max_examples=40)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_the_table_spells_every_text(make: object, text: str) -> None:
    tokenizer = make()  # type: ignore[operator]
    (one,) = listed([text], tokenizer)
    data, owners = spelling(tokenizer).bytes_of(one.ids)
    assert data.tobytes().decode().strip() == tokenizer.decode(one.ids.tolist()).strip()
    assert (np.diff(owners) >= 0).all()


@pytest.mark.parametrize("make", [byte_level, sentence_piece])
def test_every_script_is_told_with_its_examples(make: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "AT_ONCE", 100)
    tokenizer = make()  # type: ignore[operator]
    plain = "An ordinary text, with a café in it and 😀 😀."
    texts = [plain, "ทำไม" * 20, plain, "привет " * 20, "да " + plain, *["ж", plain] * 9, "ทำไม" * 3]
    found = {one.name: one for one in broken_scripts(listed(texts, tokenizer), tokenizer)}
    assert {name: one.where.tolist() for name, one in found.items()} == {
        "Thai": [1, len(texts) - 1],
        "Cyrillic": [3, 4, *range(5, 5 + 18, 2)],
    }
    assert (found["Thai"].letters, found["Thai"].tokens_per_letter) == (92, 3)
    few = listed(texts, tokenizer).pick(np.array([3, 0, 1]))
    assert {one.name: one.where.tolist() for one in broken_scripts(few, tokenizer)} == {"Cyrillic": [0], "Thai": [2]}


def test_scripts_are_those_of_the_letters() -> None:
    names, kinds = scripts.scripts()
    for letter in "жไ日שع한あア":
        assert names[kinds[ord(letter)]].upper() in unicodedata.name(letter).replace("CJK", "CHINESE")
    assert not kinds[[ord(sign) for sign in "é、€ß"]].any()
