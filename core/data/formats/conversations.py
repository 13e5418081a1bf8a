"""Chats in ShareGPT's shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from core.data.example import Example, Turn
from core.data.formats.format import Format, missing, text_of
from core.data.formats.tools import tools_of
from core.data.formats.turns import turns_of
from core.data.row import Row


class Conversations(Format):
    """ShareGPT chats: a list of `from` (human, gpt, system) and `value`, with an optional system text beside it."""

    kind = "conversations"
    label = "ShareGPT conversations"
    looks: ClassVar[str] = '{"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}'

    def fits(self, row: Row) -> bool:
        turns = row.value.get("conversations")
        return isinstance(turns, list) and all(isinstance(each, dict) and "from" in each for each in turns)

    def reason(self, row: Row) -> str:
        return "'conversations' with 'from' and 'value'"

    def examples(self, row: Row) -> Iterator[Example]:
        if "conversations" not in row.value:
            raise missing(row, "'conversations'")
        turns = turns_of(row, row.value["conversations"], "conversations", role_key="from", content_key="value")
        system = row.value.get("system")
        if system:
            turns = (Turn("system", text_of(row, system, "'system'")), *turns)
        yield Example(turns, row.file, row.number, tools=tools_of(row))
