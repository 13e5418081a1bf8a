"""Text whose paragraphs stand for themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from core.data.example import Example, Turn
from core.data.formats.format import Format, missing, text_of
from core.data.row import Row


class Paragraphs(Format):
    """Text in which every paragraph (up to a blank line) is an example of its own: quotations, poems, short notes."""

    kind = "paragraphs"
    label = "paragraphs"
    looks: ClassVar[str] = "a .txt or .md file with blank lines between its parts"

    def fits(self, row: Row) -> bool:
        return row.plain and "text" in row.value

    def reason(self, row: Row) -> str:
        return "paragraphs"

    def examples(self, row: Row) -> Iterator[Example]:
        if "text" not in row.value:
            raise missing(row, "'text'")
        lines: list[str] = []
        text = text_of(row, row.value["text"], "'text'")
        for number, line in enumerate([*text.split("\n"), ""], start=row.number):
            if line.strip():
                lines.append(line)
            elif lines:
                turn = Turn("text", "\n".join(lines), trained=True)
                yield Example((turn,), row.file, number - len(lines) if row.plain else row.number, style="plain")
                lines = []
