"""Whether two rankings of the layers say the same: Spearman's rank correlation, ties counted as they should be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def ranks(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The place of each value, (n,), 1 for the smallest; equal values share the mean of their places."""
    _, place, count = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: NDArray[np.float64] = (last - (count - 1) / 2)[place]
    return shared


def spearman(one: Sequence[float] | NDArray[np.float64], other: Sequence[float] | NDArray[np.float64]) -> float:
    """Correlation of two rankings of the same layers, -1 to 1; nan where one of them ranks nothing (all equal).

    Layers of which one of the two says nothing (nan) are left out.
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    known = np.isfinite(first) & np.isfinite(second)
    if not known.any():
        return float("nan")
    x, y = ranks(first[known]), ranks(second[known])
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else float("nan")


def spearman_table(rankings: Sequence[Sequence[float] | NDArray[np.float64]]) -> NDArray[np.float64]:
    """The correlation of every pair of n rankings, (n, n), symmetric."""
    table = np.array([[spearman(one, other) for other in rankings] for one in rankings], dtype=np.float64)
    return table.reshape(len(rankings), len(rankings))
