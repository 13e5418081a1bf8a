"""The colours of numbers in the window: viridis for how much, a scale with a middle for which way and how much.

The one with a middle follows the theme: its middle is near the ground, so that nothing stands out where there is
nothing to see.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from app.style.theme import Theme
from core.figures import scale

_BRIGHT = 0.179
"""Luminance above which black is read better than white: both have a contrast of 4.6 there."""


def colors(*, middle: bool = False) -> NDArray[np.uint8]:
    """256 colours from lowest to highest, as bytes of shape (256, 3); `middle` for values on both sides of one."""
    return scale.diverging(dark=Theme.current().tokens.dark) if middle else scale.sequential()


def color(share: float, *, middle: bool = False) -> QColor:
    """The colour of a share from 0 (lowest) to 1 (highest)."""
    red, green, blue = colors(middle=middle)[_place(share)]
    return QColor(int(red), int(green), int(blue))


def text_on(share: float, *, middle: bool = False) -> QColor:
    """Black or white, whichever reads better on that colour."""
    bright = _bright(middle=middle, dark=Theme.current().tokens.dark)
    return QColor("#000000") if bright[_place(share)] else QColor("#ffffff")


@cache
def _bright(*, middle: bool, dark: bool) -> tuple[bool, ...]:
    """Of each of the 256 colours whether black reads better on it."""
    table = scale.diverging(dark=dark) if middle else scale.sequential()
    return tuple((scale.luminance(table) > _BRIGHT).tolist())


def _place(share: float) -> int:
    return round(min(max(share, 0.0), 1.0) * 255)
