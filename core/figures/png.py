"""Pictures as PNG, for papers that hold maps of many thousand cells: one picture is small, and has no seams."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_RGBA_OF_BYTES = (8, 6, 0, 0, 0)
"""Bits of a channel, red, green, blue and alpha, and the one way there is to pack, to filter and to order them."""


def png(colors: NDArray[np.uint8]) -> bytes:
    """A PNG file of colours of shape (rows from the top, columns, 4)."""
    rows, columns, _ = colors.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), colors.reshape(rows, -1)], axis=1)  # 0: not filtered
    head = struct.pack(">IIBBBBB", columns, rows, *_RGBA_OF_BYTES)
    body = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def data_url(colors: NDArray[np.uint8]) -> str:
    """The same as the address of a picture that is where it is named."""
    return "data:image/png;base64," + base64.b64encode(png(colors)).decode("ascii")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
