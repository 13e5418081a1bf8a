"""Where an axis has its numbers, and how they are written: the same on the screen and on paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LARGE, _MILLION = 1e4, 1e6
_NOTHING = 1e-3
"""Part of the distance between two ticks that cannot be seen."""
_SHORTEST = 8
"""Steps that an axis goes over at least, where a run has so many."""
_FEW, _SOME = 0.7, 3.0
"""Powers of ten that an axis goes over, up to which its numbers lie evenly, and up to which 1, 2 and 5 are marked."""


def ticks(low: float, high: float, about: int = 5, *, whole: bool = False) -> list[float]:
    """Round numbers from low to high, about so many; `whole`: never a part of one."""
    step = _step(low, high, about, whole=whole)
    if not step:
        return []
    places = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1)
    return [float(place * step) + 0.0 for place in places]  # never -0


def power_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from low to high, both above zero, for an axis in powers of ten."""
    if not 0 < low < high < np.inf:
        return []
    over = float(np.log10(high / low))
    if over <= _FEW:
        return [value for value in ticks(low, high, about) if value > 0]
    factors = (1, 2, 5) if over <= _SOME and about >= 2 * over else (1,)
    powers = np.arange(np.floor(np.log10(low)), np.floor(np.log10(high)) + 1)
    stride = max(int(np.ceil(over / max(about, 1))), 1) if factors == (1,) else 1
    powers = powers[powers % stride == 0]
    found = [float(factor * 10.0**power) for power in powers for factor in factors]
    return [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]


def rounded(low: float, high: float, about: int = 5) -> tuple[float, float]:
    """The range with its ends put outwards onto ticks, so that the axis names what is highest and lowest.

    What goes beyond a tick by next to nothing (a sum of shares that came out above one) does not ask for another.
    """
    for _ in range(4):
        step = _step(low, high, about)
        if not step:
            return low, high
        wider = float(np.floor(low / step + _NOTHING) * step), float(np.ceil(high / step - _NOTHING) * step)
        if wider == (low, high):
            break
        low, high = wider
    return low, high


def span(step: int, steps: int) -> tuple[float, float]:
    """The stretch of a run's steps that its plots go over: all of them, or while it is young a fourth, a sixteenth ...

    What was measured fills at least a fourth of it, so that the first steps of many are more than a line at the edge.

    Args:
        step, steps: done, and to do in all.
    """
    end = float(max(steps, 1))
    while end / 4 >= max(step, _SHORTEST):
        end /= 4
    return 0.0, float(np.ceil(end))


def spelled(values: Sequence[float]) -> list[str]:
    """The numbers of one axis, as short as they can be told apart: `0.05`, `20 000`, `1.5 M`."""
    if not values:
        return []
    most = max(abs(value) for value in values)
    if most >= _MILLION:
        return [f"{value / _MILLION:.6g} M" if value else "0" for value in values]
    if most >= _LARGE:
        return [f"{round(value):,}".replace(",", "\u202f") for value in values]
    even = len(values) < 2 or bool(np.allclose(np.diff(values), values[1] - values[0]))
    gap = abs(values[1] - values[0]) if len(values) > 1 else 0.0
    if even and gap >= 1e-4:
        digits = next((count for count in range(5) if np.isclose(gap * 10**count, round(gap * 10**count))), 4)
        return [f"{value:.{digits}f}" if value else "0" for value in values]
    return [f"{value:.6g}".replace("e-0", "e-").replace("e+0", "e") for value in values]


def _step(low: float, high: float, about: int, *, whole: bool = False) -> float:
    """1, 2 or 5 times a power of ten; 0 where there is no range."""
    raw = (high - low) / max(about, 1)
    if not np.isfinite(raw) or raw <= 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(raw))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda one: abs(np.log(one / raw)))
    return max(float(step), 1.0) if whole else float(step)
