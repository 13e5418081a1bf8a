"""Smoothing of a noisy curve: an exponential moving average that starts unbiased and steps over gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.figures.figure import Floats
from core.figures.growing import Growing


class Smoothed:
    """The average of everything so far, with weight falling by `keep` per point; extended as the curve grows.

    Args:
        keep: share of the past that is kept at each point, 0 (no smoothing) to below 1.
    """

    def __init__(self, keep: float) -> None:
        self.keep = keep
        self._reset()

    def _reset(self) -> None:
        self._out = Growing(np.float64)
        self._sum = 0.0
        self._weight = 0.0

    def of(self, values: Floats) -> Floats:
        """The smoothed curve, of the same length; only what is new since the last call is worked out.

        Where the curve has become shorter (a rewound run), it is worked out anew.
        """
        if len(values) < len(self._out):
            self._reset()
        if len(values) > len(self._out):
            self._out.extend(self._extended(values[len(self._out) :]))
        return self._out.view

    def _extended(self, new: Floats) -> Floats:
        if self.keep <= 0:
            return new
        good = np.isfinite(new)
        parts = []
        # Powers of `keep` over a block must stay in float64's range: blocks of at most exp(-300).
        block = max(1, int(300 / -np.log(self.keep)))
        for start in range(0, len(new), block):
            here = good[start : start + block]
            parts.append(self._block(np.where(here, new[start : start + block], 0.0), here))
        return np.concatenate(parts)

    def _block(self, values: Floats, good: NDArray[np.bool_]) -> Floats:
        """One block in closed form: s_i = keep^i (s_0 + sum of (1 - keep) x_j / keep^j)."""
        powers = self.keep ** np.arange(1, len(values) + 1)
        fresh = 1 - self.keep
        sums = powers * (self._sum + np.cumsum(fresh * values / powers))
        weights = powers * (self._weight + np.cumsum(fresh * good / powers))
        self._sum, self._weight = float(sums[-1]), float(weights[-1])
        out: Floats = np.divide(sums, weights, out=np.full(len(values), np.nan), where=weights > 0)
        return out
