"""Running text, for continued pre-training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from core.data.example import Example, Turn
from core.data.formats.format import Format, missing, text_of
from core.data.row import Row


class Text(Format):
    """Running text, all of it learned: a row or a whole file is a document, cut into windows of the longest example."""

    kind = "text"
    label = "text"
    looks: ClassVar[str] = '{"text": "..."}, or a .txt or .md file'
    synonyms: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("content", "body", "document", "article", "story")}

    def fits(self, row: Row) -> bool:
        return isinstance(row.value.get("text"), str)

    def reason(self, row: Row) -> str:
        return "'text'"

    def looks_like(self, rows: Sequence[Row]) -> tuple[float, str]:
        if rows[0].plain:
            return 1.0, "It is a file of running text, which is cut into windows."
        return super().looks_like(rows)

    def examples(self, row: Row) -> Iterator[Example]:
        if "text" not in row.value:
            raise missing(row, "'text'")
        turn = Turn("text", text_of(row, row.value["text"], "'text'"), trained=True)
        yield Example((turn,), row.file, row.number, style="document", ends=row.ends)
