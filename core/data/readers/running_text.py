"""Running text: blocks of it are rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.data.readers.lines import lines
from core.data.row import Position, Row

PIECE = 2**20
"""Bytes read at once where a line does not end."""
BLOCK = 2**16
"""Characters in a row; cut at the next blank line, or the next line from four times as much."""


def text_rows(path: Path, name: str, position: Position) -> Iterator[Row]:
    """Blocks of a text, at least one paragraph each; the last one says that the text ends there."""
    waiting: Row | None = None
    block: list[str] = []
    size, first = 0, 1
    for number, line in lines(path, name, position, PIECE):
        if not block:
            first = number
        block.append(line)
        size += len(line)
        if size >= BLOCK and (not line.strip() or size >= 4 * BLOCK):
            if waiting:
                yield waiting
            waiting = Row(name, first, {"text": "".join(block)}, plain=True, ends=False)
            block, size = [], 0
    rest = "".join(block)
    if rest.strip():
        if waiting:
            yield waiting
        yield Row(name, first, {"text": rest}, plain=True)
    elif waiting:
        yield Row(waiting.file, waiting.number, waiting.value, plain=True)
