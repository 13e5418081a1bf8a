"""Columns and roles by other names: given the names that the shapes know, before a shape looks at a row.

`columns` says for a name that a shape knows which column of the data it is: `{prompt: question}`. With a dot it is
about the messages of a list: `{messages: talk, messages.role: speaker}`. `roles` says what a speaker of the data is:
`{agent: assistant}`. Both are part of the run, so that it reads the same data the same way again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.component import did_you_mean
from core.data.row import Row
from core.errors import UserError

ROLE_KEYS = ("role", "from")
"""How a message may name its speaker."""


@dataclass(frozen=True, slots=True)
class Naming:
    """See the module; empty, it leaves rows as they are."""

    columns: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def apply(self, rows: Iterable[Row]) -> Iterable[Row]:
        """The rows under the names that shapes know."""
        return map(self.row, rows) if self.columns or self.roles else rows

    def row(self, row: Row) -> Row:
        """One of them.

        Raises:
            UserError: the row has no such column.
        """
        value = dict(row.value)
        for ours, theirs in self.columns.items():
            if "." not in ours:
                if theirs not in row.value:
                    raise _missing(row, ours, theirs)
                if value.get(theirs) is row.value[theirs]:
                    value.pop(theirs)
                value[ours] = row.value[theirs]
        for key, messages in value.items():
            if isinstance(messages, list):
                value[key] = [self._message(key, message) for message in messages]
        return replace(row, value=value)

    def _message(self, key: str, message: Any) -> Any:
        if not isinstance(message, dict):
            return message
        said = dict(message)
        for ours, theirs in self.columns.items():
            column, dot, name = ours.partition(".")
            if dot and column == key and theirs in said:
                said[name] = said.pop(theirs)
        for name in ROLE_KEYS:
            if isinstance(said.get(name), str):
                said[name] = self.roles.get(said[name], said[name])
        return said


def _missing(row: Row, ours: str, theirs: str) -> UserError:
    return UserError(
        f"{row.place}: there is no column '{theirs}', which data.columns takes for '{ours}'.",
        hint=did_you_mean(theirs, row.value),
        path="data.columns",
    )
