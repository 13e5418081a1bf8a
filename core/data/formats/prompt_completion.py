"""Prompts with their completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from core.data.example import Example, Turn
from core.data.formats.format import Format, missing, text_of
from core.data.formats.turns import turns_of
from core.data.row import Row

_BAD = frozenset({"false", "0"})
"""What data that goes with judgements (`label`) says beside an answer that is not to be imitated."""


class PromptCompletion(Format):
    """A prompt and what follows it: two strings, taken as they are without a template, or two lists of messages."""

    kind = "prompt-completion"
    label = "prompt / completion"
    looks: ClassVar[str] = '{"prompt": "...", "completion": "..."}'

    def fits(self, row: Row) -> bool:
        return "prompt" in row.value and "completion" in row.value

    def reason(self, row: Row) -> str:
        lists = isinstance(row.value["completion"], list)
        return "'prompt' and 'completion'" + (" as lists of messages" if lists else "")

    def examples(self, row: Row) -> Iterator[Example]:
        if not self.fits(row):
            raise missing(row, "'prompt' and 'completion'")
        prompt, completion = row.value["prompt"], row.value["completion"]
        bad = str(row.value.get("label")).lower() in _BAD
        if isinstance(completion, list) or isinstance(prompt, list):
            turns = (*turns_of(row, prompt, "prompt", trained=False), *turns_of(row, completion, "completion"))
            yield Example(turns, row.file, row.number, bad=bad)
            return
        texts = text_of(row, prompt, "'prompt'"), text_of(row, completion, "'completion'")
        plain = (Turn("prompt", texts[0]), Turn("completion", texts[1], trained=True))
        yield Example(plain, row.file, row.number, style="plain", bad=bad)
