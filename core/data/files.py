"""From files to rows: JSON lines and plain text, streamed, so that a file larger than memory works.

A row's number is its line in the file, because that is where an editor finds it. Every complaint names file, line and,
where it is known, column. A folder is all the files of one kind in it, in the order of their names.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.example import place
from core.errors import UserError

JSON_LINES = (".jsonl", ".ndjson", ".json")
PLAIN_TEXT = (".txt", ".text", ".md", ".markdown")
KNOWN = ", ".join((*JSON_LINES[:2], *PLAIN_TEXT))

LONGEST_ROW = 64 * 2**20
"""Bytes. A longer JSON line is a broken file rather than a row."""
PIECE = 2**20
"""Bytes of plain text read at once where a line does not end."""
BLOCK = 2**16
"""Characters of running text in a row; cut at the next blank line, or the next line from four times as much."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the data, before anybody knows what it means.

    Attributes:
        file: the file's name, relative to the data's folder.
        number: its line, counted from 1.
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
class Source:
    """The files behind a data path, and how far they have been read.

    Attributes:
        root: what the user named.
        files: what is read, in order.
        notes: what the user should know about the choice of files.
        size: bytes in all of them.
        done: bytes read so far; `done / size` is the progress.
    """

    root: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    size: int = 0
    done: int = field(default=0)

    def rows(self) -> Iterator[Row]:
        """Every row of every file.

        Raises:
            UserError: a file cannot be read, holds no rows, is not UTF-8 or not JSON, at the place that it names.
        """
        self.done = 0
        for file in self.files:
            name = file.name if file == self.root else file.relative_to(self.root).as_posix()
            read = _json_rows if file.suffix.lower() in JSON_LINES else _text_rows
            empty = True
            for row in read(self, file, name):
                empty = False
                yield row
            if empty:
                raise UserError(f"{name} is empty: there is no row in it.", path="data.path")


def find(path: str | Path) -> Source:
    """The data files at a path: itself, or those of a folder.

    Raises:
        UserError: nothing is there, or nothing that can be read.
    """
    if not str(path):
        raise UserError("No data has been chosen.", hint="Choose a file or a folder.", path="data.path")
    root = Path(path).expanduser()
    if root.is_dir():
        return _folder(root)
    if not root.exists():
        raise UserError(f"There is no data at {root}.", hint="Check the path.", path="data.path")
    if root.suffix.lower() not in (*JSON_LINES, *PLAIN_TEXT):
        kind = f"'{root.suffix}' files" if root.suffix else "files without an ending"
        raise UserError(f"{root.name}: {kind} cannot be read as data.", hint=f"Use {KNOWN}.", path="data.path")
    return Source(root, (root,), size=root.stat().st_size)


def _folder(root: Path) -> Source:
    inside = sorted(path for path in root.rglob("*") if path.is_file())
    seen = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    rows = tuple(path for path in seen if path.suffix.lower() in JSON_LINES)
    texts = tuple(path for path in seen if path.suffix.lower() in PLAIN_TEXT)
    if not rows and not texts:
        raise UserError(f"{root} holds no data file.", hint=f"Put {KNOWN} files into it.", path="data.path")
    notes: tuple[str, ...] = ()
    if rows and texts:
        notes = (f"The JSON-lines files are read; {len(texts)} text file(s) beside them are left out.",)
    files = rows or texts
    return Source(root, files, notes=notes, size=sum(file.stat().st_size for file in files))


def _json_rows(source: Source, path: Path, name: str) -> Iterator[Row]:
    for number, line in _lines(source, path, name, LONGEST_ROW):
        if len(line) >= LONGEST_ROW // 4 and not line.endswith("\n"):
            _refuse_endless(name, number, line)
        if line.isspace() or not line:
            continue
        yield Row(name, number, _object(name, number, line))


def _refuse_endless(name: str, number: int, line: str) -> None:
    if len(line.encode()) >= LONGEST_ROW:
        raise UserError(
            f"{place(name, number)}: longer than {LONGEST_ROW // 2**20} MB.",
            hint="Each line must hold one example.",
            path="data.path",
        )


def _object(name: str, number: int, line: str) -> dict[str, Any]:
    """The JSON object of a line, or a sentence on why it is none."""
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        if number == 1 and line.lstrip().startswith("["):
            raise _is_array(name) from None
        where = f"{place(name, number)}, column {error.colno}"
        raise UserError(
            f"{where}: not JSON ({error.msg}).", hint="Each line must hold one JSON object.", path="data.path"
        ) from None
    except RecursionError:
        raise UserError(f"{place(name, number)}: nested too deeply to be an example.", path="data.path") from None
    if isinstance(value, dict):
        return value
    if number == 1 and isinstance(value, list):
        raise _is_array(name)
    found = {list: "a list", str: "a string", type(None): "null", bool: "a truth value"}.get(type(value), "a number")
    raise UserError(
        f"{place(name, number)}: expected an object in braces, found {found}.",
        hint='Each line must look like {"instruction": "...", "response": "..."}.',
        path="data.path",
    )


def _is_array(name: str) -> UserError:
    return UserError(
        f"{name} is one JSON array.", hint="Write one object a line instead (JSON lines).", path="data.path"
    )


def _text_rows(source: Source, path: Path, name: str) -> Iterator[Row]:
    """Blocks of a text, at least one paragraph each; the last one says that the text ends there."""
    waiting: Row | None = None
    block: list[str] = []
    size, first = 0, 1
    for number, line in _lines(source, path, name, PIECE):
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


def _lines(source: Source, path: Path, name: str, longest: int) -> Iterator[tuple[int, str]]:
    """Numbered lines of a UTF-8 file, with or without a mark at its start; `\\n` ends each but perhaps the last.

    A line of more than `longest` bytes comes in pieces with one number.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    number, column = 1, 0
    try:
        with path.open("rb") as file:
            start = file.read(3)
            _refuse_wide(name, start)
            if start != codecs.BOM_UTF8:
                file.seek(0)
            while piece := file.readline(longest):
                source.done += len(piece)
                ends = piece.endswith(b"\n")
                line = _decode(decoder, piece, ends, f"{name}, line {number}", column)
                yield number, line[:-2] + "\n" if line.endswith("\r\n") else line
                number, column = (number + 1, 0) if ends else (number, column + len(line))
        _decode(decoder, b"", True, f"{name}, line {number}", column)
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror or error}.", path="data.path") from None


def _decode(decoder: codecs.IncrementalDecoder, piece: bytes, final: bool, where: str, column: int) -> str:
    try:
        return decoder.decode(piece, final)
    except UnicodeDecodeError as error:
        column += len(error.object[: error.start].decode()) + 1
        byte = error.object[error.start]
        raise UserError(
            f"{where}, column {column}: the byte 0x{byte:02X} is not UTF-8.",
            hint="Save the file as UTF-8; it may be in a Windows encoding (cp1252).",
            path="data.path",
        ) from None


def _refuse_wide(name: str, start: bytes) -> None:
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UserError(f"{name} is in UTF-16.", hint="Save the file as UTF-8.", path="data.path")
