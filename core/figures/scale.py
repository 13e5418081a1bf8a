"""The colours of numbers that may lie on either side of a middle: blue below, orange above, as far as they differ.

The two hues are told apart with any colour vision. Both sides are straight lines in OKLab, a space in which equal
distances look equal, with the same lightness at the same distance from the middle: so the scale is even, and neither
side looks larger. On a dark ground the middle is dark, on a light one light: nothing to see is where nothing is shown.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

BLUE, ORANGE = 250.0, 60.0
"""Hues in degrees of OKLab."""
CHROMA = 0.125
"""Of both ends: inside sRGB at both lightnesses below."""
DARK_MIDDLE, DARK_END = 0.27, 0.76
LIGHT_MIDDLE, LIGHT_END = 0.96, 0.56
"""Lightness of the middle and of the ends, on a dark and on a light ground."""

_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
)
_TO_RGB = np.array(
    [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
     [-0.0041960863, -0.7034186147, 1.707614701]]
)  # fmt: skip
"""From OKLab to the cone responses' roots, and from those cubed to linear sRGB (Ottosson, 2020)."""


@cache
def diverging(*, dark: bool) -> NDArray[np.uint8]:
    """The 256 colours from lowest to highest, as bytes of shape (256, 3)."""
    return np.round(255 * _encoded(lab(dark=dark))).astype(np.uint8)


def lab(*, dark: bool) -> NDArray[np.float64]:
    """The same in OKLab: lightness, green to red, blue to yellow; (256, 3)."""
    middle, end = (DARK_MIDDLE, DARK_END) if dark else (LIGHT_MIDDLE, LIGHT_END)
    place = np.linspace(-1, 1, 256)
    far = np.abs(place)
    hue = np.deg2rad(np.where(place < 0, BLUE, ORANGE))
    chroma = CHROMA * far
    return np.stack([middle + (end - middle) * far, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)


def _encoded(colors: NDArray[np.float64]) -> NDArray[np.float64]:
    """OKLab as sRGB, 0 to 1."""
    linear = np.clip((colors @ _TO_LMS.T) ** 3 @ _TO_RGB.T, 0, 1)
    encoded: NDArray[np.float64] = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return encoded
