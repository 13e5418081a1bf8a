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

_GZIP = b"\x1f\x8b"


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
        start = file.read(3)
        _refuse_wide(name, start)
        if start != codecs.BOM_UTF8:
            file.seek(0)
        while piece := file.readline(longest):
            position.done = before + where()
            ends = piece.endswith(b"\n")
            line = _decode(decoder, piece, ends, f"{name}, line {number}", column)
            yield number, line[:-2] + "\n" if line.endswith("\r\n") else line
            number, column = (number + 1, 0) if ends else (number, column + len(line))
    _decode(decoder, b"", True, f"{name}, line {number}", column)


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """The file's bytes, unpacked where they are packed, and how many of those on the disk have been read."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            yield (cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw), raw.tell
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{name} cannot be unpacked: {error}.", hint="Copy the file again, or unpack it.", path="data.path"
        ) from None
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
