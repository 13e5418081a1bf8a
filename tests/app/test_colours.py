"""Colours as the colour blind see them: even, told apart, and never alone in saying something.

The simulations are those of Machado, Oliveira and Fernandes (2009) at severity 1, on linear RGB, and grey; distances
are CIEDE2000.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from app.style.scales import color, text_on
from app.style.theme import CHOICES, Theme
from app.style.tokens import SCHEMES, Tokens
from app.widgets.status import WORDS
from core.figures import compare, scale
from core.home import Home

Floats = NDArray[np.float64]
BLIND: dict[str, ArrayLike] = {
    "nobody": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "grey": np.tile([0.2126, 0.7152, 0.0722], (3, 1)),
}
HUED = [eyes for eyes in BLIND if eyes != "grey"]
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
WHITE = np.array([0.95047, 1.0, 1.08883])
APART = 9.0
"""Distance at which two strokes are told apart; about 1 can just be seen where two fields touch."""
APART_IN_GREY = 6.0
"""Where one of a pair is a curve with dots, or the two are fields in the order of their legend."""


def seen(colors: ArrayLike, eyes: str) -> Floats:
    """CIELAB of colours given as bytes, (..., 3)."""
    encoded = np.asarray(colors, dtype=np.float64) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ np.asarray(BLIND[eyes]).T, 0, 1) @ np.asarray(TO_XYZ).T / WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def distance(one: Floats, other: Floats) -> Floats:
    """CIEDE2000 (Sharma, Wu and Dalal, 2005) of colours in CIELAB, (..., 3)."""
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(lab, -1, 0) for lab in (one, other))
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    grow = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    c1, c2 = np.hypot(grow * a1, b1), np.hypot(grow * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, grow * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turned = np.where(c1 * c2 == 0, 0.0, (h2 - h1 + 180) % 360 - 180)
    far = np.abs(h1 - h2) > 180
    hue = np.where(c1 * c2 == 0, h1 + h2, (h1 + h2) / 2 + np.where(far, np.where(h1 + h2 < 360, 180, -180), 0))
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    weights = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    t = 1 + sum(weight * np.cos(np.radians(times * hue + shift)) for weight, times, shift in weights)
    d_light = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    d_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turned) / 2) / (1 + 0.015 * chroma * t)
    bend = np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    return np.asarray(np.sqrt(d_light**2 + d_chroma**2 + d_hue**2 - bend * d_chroma * d_hue))


def bytes_of(color: str) -> list[int]:
    return list(bytes.fromhex(color.removeprefix("#")))


def nearest(colors: Iterable[str], eyes: str) -> float:
    """The smallest distance between any two of them."""
    return min(float(distance(one, other)) for one, other in combinations([seen(bytes_of(c), eyes) for c in colors], 2))


@pytest.mark.parametrize(
    ("one", "other", "published"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_distance_is_the_published_one(one: ArrayLike, other: ArrayLike, published: float) -> None:
    assert distance(np.array(one, float), np.array(other, float)) == pytest.approx(published, abs=1e-4)


@pytest.mark.parametrize("eyes", BLIND)
def test_magnitude_grows_evenly_lighter_for_everybody(eyes: str) -> None:
    light = seen(scale.sequential(), eyes)[:, 0]
    steps = light[16::16] - light[:-16:16]
    assert (light[4:] > light[:-4]).all(), "two of the 256 colours may be rounded to one lightness, five never"
    assert steps.max() < 2 * steps.min() and light[-1] - light[0] > 70


@pytest.mark.parametrize("eyes", BLIND)
@pytest.mark.parametrize("dark", [True, False])
def test_both_sides_of_a_middle_are_even_and_are_told_apart(eyes: str, dark: bool) -> None:
    lab = seen(scale.diverging(dark=dark), eyes)
    below, above = lab[:128][::-1], lab[128:]
    for side in (below, above):
        light = side[:, 0] if dark else -side[:, 0]
        steps = distance(side[:-8:8], side[8::8])
        assert (light[4:] > light[:-4]).all() and steps.max() < 2.2 * steps.min()
    if eyes != "grey":  # in grey a bar's side, the sign of a number or the value under the pointer says it
        assert (distance(below, above)[32:] > APART).all()


@pytest.mark.parametrize("eyes", BLIND)
@pytest.mark.parametrize("tokens", SCHEMES)
def test_curves_that_stand_in_one_figure_are_told_apart_by_colour_or_by_shape(tokens: Tokens, eyes: str) -> None:
    least = APART_IN_GREY if eyes == "grey" else APART
    for count in (2, 8, 9, 16):
        shapes: dict[str, list[str]] = {}
        for place in range(count):
            token, shape = compare.shade(place, count)
            shapes.setdefault(shape, []).append(tokens.color(token))
        assert min(nearest(alike, eyes) for alike in shapes.values() if len(alike) > 1) > least, count
    assert nearest((tokens.blue, tokens.amber, *tokens.series[2:4]), eyes) > least


@pytest.mark.parametrize("eyes", HUED)
@pytest.mark.parametrize("tokens", SCHEMES)
def test_parts_of_the_memory_and_tokens_are_told_apart(tokens: Tokens, eyes: str) -> None:
    """In grey the parts stand in the order of their legend; learned tokens are underlined besides."""
    assert nearest(tokens.parts, eyes) > APART
    assert nearest((tokens.accent_text, tokens.amber_text), eyes) > APART
    assert nearest((tokens.accent_text, tokens.muted), eyes) > APART_IN_GREY


def test_a_status_is_a_word_of_its_own() -> None:
    words = [word for word, _ in WORDS.values()]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice != "system"])
@pytest.mark.parametrize("middle", [True, False])
def test_numbers_on_coloured_cells_can_be_read(qapp: QApplication, home: Home, choice: str, middle: bool) -> None:
    Theme(QSettings(str(home.root / "window.ini"), QSettings.Format.IniFormat)).choose(choice)  # type: ignore[arg-type]
    for place in range(256):
        ground, ink = color(place / 255, middle=middle), text_on(place / 255, middle=middle)
        low, high = sorted(float(scale.luminance(np.array(one.getRgb()[:3], dtype=np.uint8))) for one in (ground, ink))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (place, ground.name())
