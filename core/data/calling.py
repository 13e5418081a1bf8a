"""How a chat template wants a call of tools handed over.

Most take the arguments as an object and write them as JSON themselves. Some (DeepSeek's) put them together with other
text, and so take them as a text of JSON; and some see a call only in a message that says nothing at all, rather than in
one whose text is empty. None of them says which it is. So a call with an unlikely name is rendered in each manner, and
the first in which that name is written down is the template's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.data.example import Turn

Message = Mapping[str, Any]
Manner = Callable[[Message], Message]
NAME = "zq7_of_no_tool"
"""What no function is called."""


def as_object(message: Message) -> Message:
    """As the data has it."""
    return message


def as_text(message: Message) -> Message:
    """With the arguments of its calls as texts of JSON."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    texts = [json.dumps(call["function"]["arguments"], ensure_ascii=False) for call in calls]
    functions = [{**call["function"], "arguments": text} for call, text in zip(calls, texts, strict=True)]
    return {**message, "tool_calls": [{**call, "function": one} for call, one in zip(calls, functions, strict=True)]}


def silent(message: Message) -> Message:
    """With no text at all where it says nothing beside its calls."""
    return {**message, "content": None} if message.get("tool_calls") and not message["content"] else message


def silent_text(message: Message) -> Message:
    """Both."""
    return silent(as_text(message))


MANNERS: tuple[Manner, ...] = (as_object, as_text, silent_text, silent)


def renamed(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with another name in their calls, which stands nowhere else, and without any words beside them."""
    return [
        replace(turn, content="", fields={**turn.fields, "tool_calls": _renamed(turn)}) if turn.calls else turn
        for turn in turns
    ]


def _renamed(turn: Turn) -> list[dict[str, Any]]:
    return [{**call, "function": {**call["function"], "name": NAME}} for call in turn.fields["tool_calls"]]
