"""A row of the data before anybody knows what it means, and how far a file has been read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.data.example import place

LONGEST_ROW = 64 * 2**20
"""Bytes. A longer row is a broken file rather than a row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the data.

    Attributes:
        file: the file's name, relative to the data's folder.
        number: its line, counted from 1; its place, where the file has no lines (an array, a table in columns).
        value: the fields; plain text is `{"text": ...}`.
        plain: whether it comes from a file of running text.
        ends: False where a text goes on in the next row.
    """

    file: str
    number: int
    value: dict[str, Any]
    plain: bool = False
    ends: bool = True

    @property
    def place(self) -> str:
        """How messages name it."""
        return place(self.file, self.number)


@dataclass
class Position:
    """How far the files have been read: `done` of `size` bytes."""

    size: int = 0
    done: int = 0
