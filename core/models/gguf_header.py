"""What is in a GGUF file, read from its header: metadata and the list of tensors, without torch and without weights.

The `gguf` package reads the same in seconds, because it makes an array of every token; here long lists are stepped over
unless somebody asks for them, so the map of a GGUF file is on the screen in milliseconds like any other.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UserError

TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
}  # fmt: skip
"""Tensor type to its name, and how many numbers share a block of how many bytes."""
SHORT = 64
"""Lists longer than this are stepped over unless asked for: they are vocabularies."""
AGAIN = "Download or copy the file again: it is not whole."
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor: `shape` in the order of torch (rows first), `type` a key of `TYPES`, `start` its first byte."""

    shape: tuple[int, ...]
    type: int
    start: int
    bytes: int

    @property
    def numel(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """A file's metadata and tensors.

    Attributes:
        path: the file.
        fields: metadata by key; a list that was stepped over is missing here.
        lengths: how long every list is, read or not.
        tensors: by the file's own names (`blk.0.attn_q.weight`).
    """

    path: Path
    fields: Mapping[str, Any]
    lengths: Mapping[str, int]
    tensors: Mapping[str, GgufTensor]

    @property
    def architecture(self) -> str:
        """What llama.cpp calls it."""
        return str(self.fields.get("general.architecture", ""))

    def of(self, key: str, default: Any = None) -> Any:
        """A field of the architecture's own (`block_count`)."""
        return self.fields.get(f"{self.architecture}.{key}", default)


def read_gguf(path: Path, *, lists: bool = False) -> GgufHeader:
    """The header of a GGUF file, checked against the file's length.

    Args:
        path: the file.
        lists: whether to read the vocabulary as well.

    Raises:
        UserError: it is no GGUF file, one part of several, or cut short.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise UserError(f"{path} is empty.", hint=AGAIN)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                header = _read(path, _Cursor(view), size=len(view), lists=lists)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (struct.error, KeyError, ValueError, TypeError, ArithmeticError, RecursionError):
        raise UserError(f"{path} is damaged or cut short: its header cannot be read.", hint=AGAIN) from None
    parts = header.fields.get("split.count", 1)
    if isinstance(parts, int) and parts > 1:
        raise UserError(
            f"{path} is one of {parts} parts of a model.",
            hint="Join them with llama.cpp's gguf-split --merge, then open that.",
        )
    return header


class _Cursor:
    """A place in the file that moves on with every value read."""

    def __init__(self, view: mmap.mmap) -> None:
        self.view = view
        self.at = 0

    def number(self, code: str) -> Any:
        form = struct.Struct("<" + code)
        (value,) = form.unpack_from(self.view, self.at)
        self.at += form.size
        return value

    def text(self) -> str:
        length = self.number("Q")
        if length > len(self.view) - self.at:
            raise ValueError("a text is longer than the file")
        self.at += length
        return self.view[self.at - length : self.at].decode("utf-8", errors="replace")

    def values(self, *, wanted: bool) -> tuple[int, list[Any] | None]:
        """A list's length, and its values where they are wanted or few."""
        kind, length = self.number("I"), self.number("Q")
        if length > len(self.view):
            raise ValueError("a list is longer than the file")
        if kind == _STRING:
            values = self._texts(length, keep=wanted or length <= SHORT)
        elif kind == _ARRAY:
            values = [self.values(wanted=wanted)[1] for _ in range(length)]
        else:
            form = struct.Struct(f"<{length}{_SCALARS[kind]}")
            values = list(form.unpack_from(self.view, self.at)) if wanted or length <= SHORT else None
            self.at += form.size
        return length, values

    def _texts(self, length: int, *, keep: bool) -> list[Any] | None:
        """Strings one by one: each begins with its own length, so there is no way around every one of them."""
        if keep:
            return [self.text() for _ in range(length)]
        unpack, view, at = struct.Struct("<Q").unpack_from, self.view, self.at
        for _ in range(length):
            at += 8 + unpack(view, at)[0]
        self.at = at
        return None


def _read(path: Path, cursor: _Cursor, *, size: int, lists: bool) -> GgufHeader:
    """The whole header, from the first byte."""
    if cursor.view[:4] != b"GGUF":
        raise UserError(f"{path} is no GGUF file: it does not begin with GGUF.", hint=AGAIN)
    cursor.at = 4
    version = cursor.number("I")
    if version not in (2, 3):
        raise UserError(f"{path} is a GGUF file of version {version}; versions 2 and 3 can be read.")
    tensor_count, field_count = cursor.number("Q"), cursor.number("Q")
    fields: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for _ in range(field_count):
        key, kind = cursor.text(), cursor.number("I")
        if kind == _ARRAY:
            lengths[key], values = cursor.values(wanted=lists)
            fields |= {key: values} if values is not None else {}
        else:
            fields[key] = cursor.text() if kind == _STRING else cursor.number(_SCALARS[kind])
    places = [_place(cursor) for _ in range(tensor_count)]
    step = int(fields.get("general.alignment", 32))
    start = -(-cursor.at // step) * step
    tensors = {name: GgufTensor(shape, kind, start + offset, length) for name, shape, kind, offset, length in places}
    end = max((tensor.start + tensor.bytes for tensor in tensors.values()), default=0)
    if end > size:
        raise UserError(f"{path} is cut short: the last {end - size:,} of its {end:,} bytes are missing.", hint=AGAIN)
    return GgufHeader(path, fields, lengths, tensors)


def _place(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int, int]:
    """One line of the list of tensors: name, shape, type, offset, bytes."""
    name, dimensions = cursor.text(), cursor.number("I")
    if dimensions > 8:
        raise ValueError("more dimensions than the format has")
    shape = tuple(reversed([cursor.number("Q") for _ in range(dimensions)]))
    kind, offset = cursor.number("I"), cursor.number("Q")
    _, block, size = TYPES[kind]
    return name, shape, kind, offset, math.prod(shape) // block * size
