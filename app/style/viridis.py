"""Viridis: the colours of magnitude, evenly readable in colour, in grey and with any colour vision.

The table is interpolated from 33 of the map's 256 colours (at most two levels of 255 off), so that nothing heavy is
imported for it: the map of layers paints with it before any plot exists.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

_ANCHORS = (
    "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e 297a8e 26828e 23898e "
    "21918c 1f978b 1f9f88 21a685 27ad81 31b57b 3dbc74 4cc26c 5cc863 6ece58 81d34d 95d840 aadc32 c0df25 d5e21a eae51a "
    "fde725"
)


@cache
def table() -> NDArray[np.uint8]:
    """The 256 colours, as bytes of shape (256, 3)."""
    anchors = np.array([list(bytes.fromhex(color)) for color in _ANCHORS.split()], dtype=float)
    at = np.linspace(0, 255, len(anchors))
    channels = [np.interp(np.arange(256), at, anchors[:, channel]) for channel in range(3)]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)


def viridis(share: float) -> QColor:
    """The colour of a share from 0 (dark violet) to 1 (yellow)."""
    red, green, blue = table()[round(min(max(share, 0.0), 1.0) * 255)]
    return QColor(int(red), int(green), int(blue))


def text_on(share: float) -> QColor:
    """Black or white, whichever reads better on that colour."""
    return QColor("#101418") if share > 0.55 else QColor("#ffffff")
