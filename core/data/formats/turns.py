"""Reading lists of messages: shared by the formats that have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.data.example import Role, Turn
from core.data.formats.format import text_of, wrong
from core.data.formats.tools import called, fields_of
from core.data.row import Row

ROLES: Mapping[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
    "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant", "tool": "tool",
    "function": "tool", "observation": "tool", "ipython": "tool", "tool_response": "tool",
    "function_response": "tool", "function_call": "assistant", "tool_call": "assistant",
}  # fmt: skip
"""How data names a speaker, to how chat templates do."""
CALLERS = frozenset({"function_call", "tool_call"})
"""Those of them whose text is a call of tools, written as JSON."""
LIGHTEST, HEAVIEST = 1e-6, 1e6
"""Weights of messages that are learned. Beyond them a sum of losses in float32 would lose the others, or run over."""


def turns_of(
    row: Row, value: Any, name: str, *, role_key: str = "role", content_key: str = "content", trained: bool = True
) -> tuple[Turn, ...]:
    """The turns of a list of messages.

    Args:
        row: where the list stands, for complaints.
        value: the list.
        name: the field it stands in.
        role_key: how a message names its speaker.
        content_key: how it names its text.
        trained: whether the assistant's turns in it are answers to learn.

    Raises:
        UserError: it is no list of messages, with the number of the message.
    """
    if not isinstance(value, list) or not value:
        raise wrong(row, f"'{name}' must be a list of messages with at least one in it.")
    return tuple(
        _turn(row, message, f"message {number} of '{name}'", role_key, content_key, trained)
        for number, message in enumerate(value, start=1)
    )


def _turn(row: Row, message: Any, name: str, role_key: str, content_key: str, trained: bool) -> Turn:
    if not isinstance(message, dict) or role_key not in message:
        raise wrong(row, f"{name} must be an object with '{role_key}' and '{content_key}'.")
    said = message[role_key]
    role = ROLES.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None:
        raise wrong(
            row, f"{name} has the unknown role {said!r}.", f"Known are: {', '.join(ROLES)}. Others: set data.roles."
        )
    fields = fields_of(row, message, name)
    if said.strip().lower() in CALLERS and "tool_calls" not in fields:
        calls = called(row, message.get(content_key), name)
        learned, weight = _learned(row, message, name, trained)
        return Turn(role, "", learned, {**fields, "tool_calls": calls}, weight)
    if content_key not in message and "tool_calls" not in fields:
        raise wrong(row, f"{name} must be an object with '{role_key}' and '{content_key}'.")
    content = message.get(content_key)
    silent = content is None and "tool_calls" in fields
    learned, weight = _learned(row, message, name, trained and role == "assistant")
    return Turn(role, "" if silent else _content(row, content, name), learned, fields, weight)


def _learned(row: Row, message: Mapping[str, Any], name: str, usual: bool) -> tuple[bool, float]:
    """Whether a message is learned, and its weight: as it says itself (`train`, `weight`), or as is usual."""
    train, weight = message.get("train"), message.get("weight")
    if train is not None and train not in (0, 1):
        raise wrong(row, f"{name} has the train {train!r}.", "It is 0 (not learned) or 1 (learned).")
    if weight is not None and not _sound(weight):
        hint = f"A weight is 0 (not learned) or a number from {LIGHTEST:f} to {HEAVIEST:,.0f}; 1 is the usual one."
        raise wrong(row, f"{name} has the weight {weight!r}.", hint)
    if train is None and weight is None:
        return usual, 1.0
    counts = 0.0 if train is not None and not train else 1.0 if weight is None else float(weight)
    return counts > 0, counts


def _sound(weight: Any) -> bool:
    return isinstance(weight, int | float) and (weight == 0 or LIGHTEST <= weight <= HEAVIEST)


def _content(row: Row, content: Any, name: str) -> str:
    """The text of a message; a list of text parts is one text."""
    if not isinstance(content, list):
        return text_of(row, content, f"the text of {name}")
    parts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text":
            raise wrong(row, f"{name} has a part that is not text (pictures and sounds cannot be trained on).")
        parts.append(text_of(row, part.get("text"), f"the text of {name}"))
    return "".join(parts)
