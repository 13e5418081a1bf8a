"""The colours of numbers: viridis for how much, a scale with a middle for which way and how much.

Both are even to the eye and safe for colour blindness. The one with a middle follows the theme: its middle is near the
ground, so that nothing stands out where there is nothing to see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from app.style.theme import Theme
from app.style.viridis import table as viridis_table
from core.figures import scale


def colors(*, middle: bool) -> NDArray[np.uint8]:
    """256 colours from lowest to highest, as bytes of shape (256, 3); `middle` for values on both sides of one."""
    return scale.diverging(dark=Theme.current().tokens.dark) if middle else viridis_table()


def color(share: float, *, middle: bool) -> QColor:
    """The colour of a share from 0 (lowest) to 1 (highest)."""
    red, green, blue = colors(middle=middle)[round(min(max(share, 0.0), 1.0) * 255)]
    return QColor(int(red), int(green), int(blue))


def text_on(share: float, *, middle: bool) -> QColor:
    """Black or white, whichever reads better on that colour."""
    red, green, blue = (float(part) for part in colors(middle=middle)[round(min(max(share, 0.0), 1.0) * 255)])
    return QColor("#101418") if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else QColor("#ffffff")
