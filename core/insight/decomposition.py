"""Did a layer's rows change in length or in direction? The analysis of the DoRA paper (arXiv:2402.09353, section 3.2).

For W0 and W of one layer, over its output rows,

    dM = mean | ||W_i|| - ||W0_i|| |        dD = mean ( 1 - cos(W_i, W0_i) )

One point per layer and checkpoint; the paper fits one line through all of them and finds a negative slope for full
fine-tuning and DoRA, a positive one for LoRA. A few dozen points carry little, so a bootstrap interval comes with it.

Neither W nor dW = B A is formed: ||W_i||² = ||W0_i||² + 2 <W0_i, dW_i> + ||dW_i||², both of which follow from W0 Aᵀ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Movement:
    """How far the rows of one layer have moved.

    Attributes:
        magnitude: dM, in the unit of the weights.
        direction: dD, 0 to 2.
        skipped: rows of zeros, before or after, which have no direction and are left out.
    """

    magnitude: float
    direction: float
    skipped: int = 0


def movement(weight: Tensor, b: Tensor, a: Tensor, *, lengths: Tensor | None = None) -> Movement:
    """How far the rows have moved, from factors of the change.

    Args:
        weight: W0, (out, in).
        b, a: of dW, (out, r) with the scale in it, and (r, in).
        lengths: the lengths (out,) that DoRA gives the rows; None leaves them as the sum has them.
    """
    weight, b, a = weight.detach().double(), b.detach().double(), a.detach().double()
    base = weight.square().sum(1)
    inner = base + ((weight @ a.T) * b).sum(1)
    own = ((b @ (a @ a.T)) * b).sum(1)
    before, after = base.sqrt(), (2 * inner - base + own).clamp_min(0).sqrt()
    rows = (before > 0) & (after > 0)
    if not bool(rows.any()):
        return Movement(0.0, 0.0, len(rows))
    cosine = (inner[rows] / (before[rows] * after[rows])).clamp(-1, 1)
    reached = after if lengths is None else lengths.detach().double().abs()
    change = (reached[rows] - before[rows]).abs()
    return Movement(float(change.mean()), float((1 - cosine).mean()), int((~rows).sum()))


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through points, how tightly they follow it, and the bootstrap intervals (95 %) of both.

    Attributes:
        intercept, slope: of the line of least squares; nan where all x are equal.
        slope_interval: low and high; nan of two points, which any line follows.
        correlation: Pearson's; nan of two points.
        correlation_interval: low and high.
        points: how many.
    """

    intercept: float
    slope: float
    slope_interval: tuple[float, float]
    correlation: float
    correlation_interval: tuple[float, float]
    points: int


def trend(xs: NDArray[np.float64], ys: NDArray[np.float64], *, resamples: int = 2000, seed: int = 0) -> Trend:
    """Fit a line of y over x, both (n,); the intervals come from `resamples` draws of the points with replacement."""
    xs, ys = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    none = (np.nan, np.nan)
    if len(xs) < 2:
        return Trend(np.nan, np.nan, none, np.nan, none, len(xs))
    slope, correlation = (float(value[0]) for value in _fit(xs[None], ys[None]))
    if len(xs) == 2:
        return Trend(float(ys[0] - slope * xs[0]), slope, none, np.nan, none, 2)
    draws = np.random.default_rng(seed).integers(0, len(xs), (resamples, len(xs)))
    slopes, correlations = _fit(xs[draws], ys[draws])
    intercept = float(ys.mean() - slope * xs.mean())
    return Trend(intercept, slope, _interval(slopes), correlation, _interval(correlations), len(xs))


def _fit(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope and correlation of each row of points, (rows,) both; nan where a row does not spread."""
    x, y = xs - xs.mean(1, keepdims=True), ys - ys.mean(1, keepdims=True)
    xx, yy, xy = (x * x).sum(1), (y * y).sum(1), (x * y).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(xx > 0, xy / xx, np.nan), np.where(xx * yy > 0, xy / np.sqrt(xx * yy), np.nan)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    good = values[np.isfinite(values)]
    if not len(good):
        return np.nan, np.nan
    low, high = np.quantile(good, (0.025, 0.975))
    return float(low), float(high)
