"""The colours of data, in the window and on paper: of magnitude, of what lies on either side of a middle, of curves.

Magnitude is viridis, which is evenly readable in colour, in grey and with any colour vision. Its table is interpolated
from 33 of the map's 256 colours (at most two levels of 255 off), so that nothing heavy is imported for it: the map of
layers paints with it before any plot exists.

Around a middle it is blue below and orange above, two hues that are told apart with any colour vision. Both sides are
straight lines in OKLab, a space in which equal distances look equal, with the same lightness at the same distance from
the middle: so the scale is even, and neither side looks larger. On a dark ground the middle is dark, on a light one
light: nothing to see is where nothing is shown.

Curves take eight colours. Each four of them differ in lightness too, so that they are told apart with any colour vision
and in grey; what is of the second four has a shape on its curve beside (`core.figures.figure.Series`). A test looks at
all of this as the colour blind do.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

CURVES_ON_DARK = ("#7aa7f0", "#f0b35a", "#2a8f7c", "#f6d5ea", "#f0eda0", "#c9552a", "#6fc6ee", "#a18ae6")
CURVES_ON_LIGHT = ("#2f66c4", "#b4720b", "#0a5c4f", "#dc6cb1", "#6b6400", "#e8694a", "#2f86b0", "#4a2a94")
BLUE, ORANGE = 250.0, 60.0
"""Hues in degrees of OKLab."""
CHROMA = 0.125
"""Of both ends: inside sRGB at both lightnesses below."""
DARK_MIDDLE, DARK_END = 0.27, 0.76
LIGHT_MIDDLE, LIGHT_END = 0.96, 0.56
"""Lightness of the middle and of the ends, on a dark and on a light ground."""

_VIRIDIS = (
    "440154 470d60 48186a 482374 472d7b 453781 424086 3e4989 3b528b 375b8d 33638d 2f6b8e 2c728e 297a8e 26828e 23898e "
    "21918c 1f978b 1f9f88 21a685 27ad81 31b57b 3dbc74 4cc26c 5cc863 6ece58 81d34d 95d840 aadc32 c0df25 d5e21a eae51a "
    "fde725"
)
_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
)
_TO_RGB = np.array(
    [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
     [-0.0041960863, -0.7034186147, 1.707614701]]
)  # fmt: skip
"""From OKLab to the cone responses' roots, and from those cubed to linear sRGB (Ottosson, 2020)."""


@cache
def sequential() -> NDArray[np.uint8]:
    """Viridis: the 256 colours from lowest to highest, as bytes of shape (256, 3)."""
    anchors = np.array([list(bytes.fromhex(color)) for color in _VIRIDIS.split()], dtype=float)
    at = np.linspace(0, 255, len(anchors))
    channels = [np.interp(np.arange(256), at, anchors[:, channel]) for channel in range(3)]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)


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


def luminance(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How bright colours are, 0 to 1, as WCAG's contrast has it; of shape (..., 3), without the last."""
    encoded = colors / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    found: NDArray[np.float64] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return found


def _encoded(colors: NDArray[np.float64]) -> NDArray[np.float64]:
    """OKLab as sRGB, 0 to 1."""
    linear = np.clip((colors @ _TO_LMS.T) ** 3 @ _TO_RGB.T, 0, 1)
    encoded: NDArray[np.float64] = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return encoded
