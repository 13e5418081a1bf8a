"""Chats as most tools write them today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from core.data.example import Example
from core.data.formats.format import Format, missing
from core.data.formats.tools import tools_of
from core.data.formats.turns import turns_of
from core.data.row import Row


class Messages(Format):
    """Chats: a list of messages with role and content, tool calls and results, rendered with the chat template.

    A message with `"train": false` or `"weight": 0` is not learned; with `"weight": 2` its tokens count twice.
    """

    kind = "messages"
    label = "chat messages"
    looks: ClassVar[str] = '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
    synonyms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "messages": ("conversation", "conversations", "dialog", "dialogue", "chat")
    }

    def fits(self, row: Row) -> bool:
        messages = row.value.get("messages")
        return isinstance(messages, list) and all(isinstance(each, dict) and "role" in each for each in messages)

    def reason(self, row: Row) -> str:
        return "'messages' with roles"

    def examples(self, row: Row) -> Iterator[Example]:
        if "messages" not in row.value:
            raise missing(row, "'messages'")
        yield Example(turns_of(row, row.value["messages"], "messages"), row.file, row.number, tools=tools_of(row))
