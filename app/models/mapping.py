"""What of a shape can be mapped: the columns that it needs, read from the row that it gives as its example."""

from __future__ import annotations

import json
from typing import Any

from core.data.formats import FORMATS


def needed(kind: str) -> tuple[str, ...]:
    """The columns of a shape, those of its messages behind a dot: `messages`, `messages.role`, `messages.content`.

    Args:
        kind: of `FORMATS`; a shape without columns (running text) needs none.
    """
    looks = FORMATS[kind].looks
    if not looks.startswith("{"):
        return ()
    row: dict[str, Any] = json.JSONDecoder().raw_decode(looks)[0]
    found: list[str] = []
    for name, value in row.items():
        found.append(name)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found += [f"{name}.{key}" for key in value[0]]
    return tuple(found)


def speaker_of(kind: str) -> str:
    """The column of a shape that names the speaker of a message; empty where it has none."""
    return next((name for name in needed(kind) if name.endswith((".role", ".from"))), "")
