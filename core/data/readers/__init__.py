"""What reads a data file: one reader for each kind of file, chosen by the file's ending.

A reader takes the path, the name for messages and the position to move on, and gives rows one by one, so that a file
larger than memory works. All but the tables in columns may be compressed with gzip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.data.readers.columns import arrow_rows, parquet_rows
from core.data.readers.delimited import delimited_rows
from core.data.readers.json_rows import json_rows
from core.data.readers.running_text import text_rows
from core.data.row import Position, Row

Reader = Callable[[Path, str, Position], Iterator[Row]]

GZIP = ".gz"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: how people call it, its endings, and what reads it."""

    label: str
    endings: tuple[str, ...]
    read: Reader
    compressible: bool = True


KINDS: tuple[Kind, ...] = (
    Kind("JSON-lines", (".jsonl", ".ndjson", ".json"), json_rows),
    Kind("Parquet", (".parquet",), parquet_rows, compressible=False),
    Kind("Arrow", (".arrow", ".feather"), arrow_rows, compressible=False),
    Kind("CSV", (".csv", ".tsv"), delimited_rows),
    Kind("text", (".txt", ".text", ".md", ".markdown"), text_rows),
)
"""In the order in which a folder that holds several is taken for one of them."""

KNOWN = ", ".join(ending for kind in KINDS for ending in kind.endings) + " (and .gz of those that hold text)"


def kind_of(path: Path) -> Kind | None:
    """The kind of a file, by its ending; None where nothing reads it."""
    compressed = path.suffix.lower() == GZIP
    ending = Path(path.stem).suffix.lower() if compressed else path.suffix.lower()
    found = next((kind for kind in KINDS if ending in kind.endings), None)
    return found if found and (found.compressible or not compressed) else None
