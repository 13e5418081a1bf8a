"""How much tokens count in the loss, where the data says so message by message.

Nearly all data says nothing of the kind. So there is no array of weights until an example comes that has some; the
tokens before it are then given the weight 1 that they had all along.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from core.data.flat import Flat

FILLED = 2**20
"""Weights of 1 that are written at once for the tokens that came before the first example with weights."""


class Weights:
    """The weights of many examples' tokens, one example after the other; see `core.data.flat`."""

    def __init__(self) -> None:
        self._flat: Flat | None = None
        self._tokens = 0
        self._examples = 0
        self._at, self._sums = array("q"), array("d")

    def extend(self, weights: NDArray[np.float32] | None, trained: NDArray[np.bool_]) -> None:
        """The next example's: its weights, or None where each trained token counts 1."""
        if weights is not None:
            self._at.append(self._examples)
            self._sums.append(float(weights[1:][trained[1:]].sum(dtype=np.float64)))
            self._flat = self._flat or self._filled()
        if self._flat is not None:
            self._flat.extend(trained if weights is None else weights)
        self._tokens += len(trained)
        self._examples += 1

    def whole(self) -> NDArray[np.float32] | None:
        """One for each token, to be read where it is trained; None where no example has weights."""
        return None if self._flat is None else self._flat.whole()

    def counted(self, targets: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """How much each example counts, (examples,): its weights' sum, else its targets; None where none has weights.

        Args:
            targets: trained tokens of each example but for its very first, (examples,).
        """
        if self._flat is None:
            return None
        found = targets.astype(np.float64)
        found[np.array(self._at)] = self._sums
        return found

    def _filled(self) -> Flat:
        """The tokens so far, with the weight that they have."""
        flat = Flat(np.float32)
        for start in range(0, self._tokens, FILLED):
            flat.extend(np.ones(min(FILLED, self._tokens - start), dtype=np.float32))
        return flat
