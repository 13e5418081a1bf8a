"""Tools in chats: the list of functions beside a chat, calls of them, and what they answered.

Templates want a call's arguments as an object; data often has them as a text of JSON, which is read here. Whatever is
null in a message is left out, because tables in columns give every message the fields of all of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from core.data.formats.format import text_of, wrong
from core.data.row import Row
from core.errors import UserError

PASSED = ("name", "tool_call_id", "reasoning_content")
"""Fields of a message that a chat template may use, beside the calls."""
DEEPEST = 64
"""Lists and objects inside one another that a call or a function may have; a template walks through all of them."""


def tools_of(row: Row) -> tuple[dict[str, Any], ...]:
    """The functions that a row offers, in the shape that templates take.

    Raises:
        UserError: they are no list of objects with a name.
    """
    given = row.value.get("tools")
    if not given:
        return ()
    tools = _parsed(row, given, "'tools'")
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise wrong(row, "'tools' must be a list of functions.")
    whole = [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]
    if not all(isinstance(tool["function"], dict) and "name" in tool["function"] for tool in whole):
        raise wrong(row, "a function in 'tools' has no name.")
    _check(row, whole, "'tools'")
    return tuple(whole)


def fields_of(row: Row, message: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a message says to the template beside role and text.

    Raises:
        UserError: a call without a name, or with arguments that are no JSON object.
    """
    found = {key: message[key] for key in PASSED if message.get(key) is not None}
    calls = message.get("tool_calls")
    if calls:
        calls = _parsed(row, calls, f"'tool_calls' of {name}")
        if not isinstance(calls, list):
            raise wrong(row, f"'tool_calls' of {name} must be a list.")
        found["tool_calls"] = [_call(row, call, name) for call in calls]
    for key, value in found.items():
        _check(row, value, f"'{key}' of {name}")
    return found


def called(row: Row, text: Any, name: str) -> list[dict[str, Any]]:
    """The calls of a message that is nothing else: one as JSON, or a list of them.

    Raises:
        UserError: the text is no call.
    """
    calls = _parsed(row, text, f"the call of {name}")
    found = [_call(row, call, name) for call in (calls if isinstance(calls, list) and calls else [calls])]
    _check(row, found, f"the call of {name}")
    return found


def _call(row: Row, call: Any, name: str) -> dict[str, Any]:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise wrong(row, f"a call of {name} does not name its function.")
    arguments = _parsed(row, function.get("arguments") or {}, f"the arguments of {name}")
    if not isinstance(arguments, dict):
        raise wrong(row, f"the arguments of {name} must be an object.")
    kept = {"id": call["id"]} if call.get("id") is not None else {}
    return {**kept, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def _parsed(row: Row, value: Any, name: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise wrong(row, f"{name} is not JSON (column {error.colno}: {error.msg}).") from None
    except RecursionError:
        raise _too_deep(row, name) from None
    except ValueError:
        raise wrong(row, f"{name} has a number of thousands of digits.") from None


def _check(row: Row, value: Any, name: str, depth: int = DEEPEST) -> None:
    """Everything in a value can be written down by a template, and read again."""
    if isinstance(value, str):
        text_of(row, value, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise wrong(row, f"{name} has the number {value}, which JSON does not know.")
    elif isinstance(value, dict | list):
        if not depth:
            raise _too_deep(row, name)
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(row, each, name, depth - 1)


def _too_deep(row: Row, name: str) -> UserError:
    return wrong(row, f"{name} is nested too deeply for a template.")
