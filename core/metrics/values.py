"""How well texts are given numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pearson(predicted: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """Pearson's correlation of two (n,) series, -1 to 1, as on STS-B; 0 where one of them does not vary."""
    if len(actual) < 2:
        return 0.0
    one, other = predicted - predicted.mean(), actual - actual.mean()
    below = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / below if below > 0 else 0.0
