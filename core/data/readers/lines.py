"""The lines of a UTF-8 file, compressed or not: what everything that reads text stands on."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from core.data.row import Position
from core.errors import UserError

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


def lines(path: Path, name: str, position: Position, longest: int) -> Iterator[tuple[int, str]]:
    """Numbered lines, with or without a mark at the file's start; `\\n` ends each but perhaps the last.

    A line of more than `longest` bytes comes in pieces with one number.

    Raises:
        UserError: the file cannot be read, or is not UTF-8, with line and column.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    number, column = 1, 0
    with _opened(path, name) as (file, where):
        before = position.done
        try:
            _skip_mark(name, file)
            while piece := file.readline(longest):
                position.done = before + where()
                ends = piece.endswith(b"\n")
                line = _decode(decoder, piece, ends, f"{name}, line {number}", column)
                yield number, line[:-2] + "\n" if line.endswith("\r\n") else line
                number, column = (number + 1, 0) if ends else (number, column + len(line))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            text = f"{name} cannot be unpacked from line {number} on: {str(error).rstrip('.')}."
            raise UserError(text, hint="Copy the file again, or unpack it.", path="data.path") from None
    _decode(decoder, b"", True, f"{name}, line {number}", column)


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """The file's bytes, unpacked where they are packed, and how many of those on the disk have been read."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            yield (cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw), raw.tell
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


def _skip_mark(name: str, file: BinaryIO) -> None:
    """Go past a mark of UTF-8 at the start of a file.

    Raises:
        UserError: it begins as no text in UTF-8 does.
    """
    start = file.read(4)
    if start.startswith(_ZIP):
        raise UserError(
            f"{name} is a packed file or a workbook, and no text.",
            hint="Unpack it; in a spreadsheet, save the table as CSV in UTF-8.",
            path="data.path",
        )
    wide = "UTF-32" if start in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE) else "UTF-16"
    marked = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if wide == "UTF-32" or marked or (len(start) > 1 and any(start[::2]) != any(start[1::2])):
        raise UserError(
            f"{name} is in {wide}, by its first bytes.",
            hint="Save the file as UTF-8 (in a spreadsheet: CSV UTF-8).",
            path="data.path",
        )
    file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
