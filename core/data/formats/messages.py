"""Chats as most tools write them today."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from core.data.example import Example
from core.data.formats.format import Format, missing
from core.data.formats.turns import turns_of
from core.data.row import Row


class Messages(Format):
    """Chats: a list of messages with role and content, rendered with the model's chat template."""

    kind = "messages"
    label = "chat messages"
    looks: ClassVar[str] = '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'

    def fits(self, row: Row) -> bool:
        messages = row.value.get("messages")
        return isinstance(messages, list) and all(isinstance(each, dict) and "role" in each for each in messages)

    def reason(self, row: Row) -> str:
        return "'messages' with roles"

    def examples(self, row: Row) -> Iterator[Example]:
        if "messages" not in row.value:
            raise missing(row, "'messages'")
        yield Example(turns_of(row, row.value["messages"], "messages"), row.file, row.number)
