"""Which scripts of the data a tokenizer has no letters for, and spells in bytes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.data.example import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SAMPLE = 2000
"""Letters of a script that are looked at."""
FEWEST = 50
"""Letters below which a script is only quoted."""
BROKEN = 1.5
"""Tokens for a letter from which it is said to be broken into bytes; whole letters take one, words far less."""


def broken_scripts(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[str, float]]:
    """The scripts of these examples that take more than `BROKEN` tokens a letter, and how many."""
    for script, words in _words(examples).items():
        letters = sum(map(len, words))
        if letters >= FEWEST:
            ids = tokenizer(" ".join(words), add_special_tokens=False, verbose=False)["input_ids"]
            if len(ids) / letters > BROKEN:
                yield script, len(ids) / letters


def _words(examples: Sequence[Example]) -> dict[str, list[str]]:
    """Runs of letters by the script that they are written in."""
    found: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for example in examples:
        for turn in example.turns:
            for word in turn.content.split():
                letter = next((sign for sign in word if sign.isalpha()), "")
                script = unicodedata.name(letter, "").split(" ")[0].split("-")[0].capitalize() if letter else ""
                script = {"Cjk": "Chinese"}.get(script, script)
                if script and script != "Latin" and sizes.get(script, 0) < SAMPLE:
                    letters = "".join(sign for sign in word if sign.isalpha())[:SAMPLE]
                    found.setdefault(script, []).append(letters)
                    sizes[script] = sizes.get(script, 0) + len(letters)
    return found
