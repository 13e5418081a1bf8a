"""The bytes that each token of a vocabulary stands for, as one table, so that whole data sets are looked up at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.specials import special

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How vocabularies of whole letters name the single bytes that they fall back on."""


def _byte_letters() -> dict[str, int]:
    """The letters by which byte-level vocabularies write bytes: printable ones as they are, the others from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(others)}


BYTES = _byte_letters()


@dataclass(frozen=True, slots=True)
class Spelling:
    """What the tokens of a vocabulary are made of.

    Attributes:
        data: the bytes of all tokens, one token behind the other, uint8.
        starts: where the bytes of each id begin, and the end of the last one, (ids + 1,); special ones have none.
        broken: of each id whether it ends or begins within a letter, bool (ids,).
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    broken: NDArray[np.bool_]

    def bytes_of(self, ids: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The bytes of these tokens one behind the other, and for each byte the place of its token, both (bytes,)."""
        begins = self.starts[ids]
        lengths = self.starts[ids + 1] - begins
        owners = np.repeat(np.arange(len(ids)), lengths)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.data[begins[owners] + within], owners


@lru_cache(maxsize=2)
def spelling(tokenizer: PreTrainedTokenizerBase) -> Spelling:
    """The spelling of a tokenizer's vocabulary."""
    byte_level = "ByteLevel" in repr(getattr(tokenizer, "backend_tokenizer").decoder)  # noqa: B009 - fast ones have it
    marks = special(tokenizer)
    pieces = [b""] * len(marks)
    for name, id in tokenizer.get_vocab().items():
        if not marks[id] or _BYTE.fullmatch(name):
            pieces[id] = _bytes(name, byte_level=byte_level)
    starts = np.cumsum([0, *map(len, pieces)])
    broken = np.array([not _whole(piece) for piece in pieces], dtype=np.bool_)
    return Spelling(np.frombuffer(b"".join(pieces), dtype=np.uint8), starts, broken)


def _bytes(name: str, *, byte_level: bool) -> bytes:
    if byte_level and all(letter in BYTES for letter in name):
        return bytes(BYTES[letter] for letter in name)
    single = None if byte_level else _BYTE.fullmatch(name)
    return bytes([int(single[1], 16)]) if single else name.replace("▁", " ").encode(errors="replace")


def _whole(piece: bytes) -> bool:
    """Whether it is made of whole letters."""
    if piece.isascii():
        return True
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
