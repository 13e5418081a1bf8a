"""What of a shape can be mapped: the columns that it needs, read from the row that it gives as its example."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def likely(task: str, columns: Sequence[Mapping[str, Any]]) -> str:
    """The shape that a mapping begins with where none is known: the first of the task that these columns could fill.

    Args:
        task: the run's.
        columns: of the data (`core.data.columns`).

    Returns:
        Its kind; where the columns fill none, the first of the task.
    """
    of_task = [member.kind for member in FORMATS.members if task in member.tasks]
    nested = any(column["keys"] for column in columns)
    for kind in of_task:
        names = needed(kind)
        outer = [name for name in names if "." not in name]
        if 0 < len(outer) <= len(columns) and (len(outer) < len(names)) == nested:
            return kind
    return of_task[0]


def speaker_of(kind: str) -> str:
    """The column of a shape that names the speaker of a message; empty where it has none."""
    return next((name for name in needed(kind) if name.endswith((".role", ".from"))), "")
