"""The principal directions of rows that come in batches, without keeping the rows.

Of all that has been seen only the first directions, their lengths and the mean are kept; a new batch is put below them
and the whole decomposed again, with one more row for how far the two means are apart (Ross et al. 2008, the incremental
decomposition that EVA uses).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from core.adapters.init.leading import leading


class Principal:
    """The first principal directions of what was added so far.

    Args:
        wanted: how many, at most the rows' length.

    Attributes:
        directions: (k, in), orthonormal, the one with the largest variance first; none before the first decomposition.
        shares: (k,), how much of all variance each explains.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.directions = torch.empty(0, 0)
        self.shares = torch.empty(0)
        self._lengths = torch.empty(0)
        self._turned = torch.empty(0)
        self._mean = torch.empty(0)
        self._seen = 0
        self._total = 0.0
        self._waiting: list[Tensor] = []

    def add(self, rows: Tensor) -> None:
        """Take (n, in) float32 rows into account, as soon as there are as many as directions are wanted."""
        self._waiting.append(rows.cpu() if rows.device.type == "mps" else rows)
        if sum(map(len, self._waiting)) >= self.wanted:
            self.finish()

    def finish(self) -> None:
        """Decompose whatever is waiting, however little it is."""
        rows = torch.cat(self._waiting) if self._waiting else torch.empty(0, 0)
        self._waiting = []
        if not len(rows):
            return
        mean = rows.mean(0, dtype=torch.float64)
        centred = rows - mean.to(rows.dtype)
        everything = self._seen + len(rows)
        self._total += float(centred.double().square().sum())
        if self._seen:
            apart = self._mean - mean
            self._total += self._seen * len(rows) / everything * float(apart.square().sum())
            shift = math.sqrt(self._seen / everything * len(rows)) * apart
            # The mean is in float64, and so is the decomposition: what is small beside the first directions counts too.
            centred = torch.cat((self._lengths[:, None] * self.directions, centred, shift[None]))
            mean = (self._mean * self._seen + mean * len(rows)) / everything
        self._mean, self._seen = mean, everything
        _, lengths, directions = leading(centred, 2 * self.wanted)
        before, self.directions = self.directions, directions[: self.wanted]
        self._lengths = lengths[: self.wanted]
        self.shares = self._lengths.double().square() / max(self._total, 1e-300)
        alike = min(len(before), len(self.directions))
        if alike:
            self._turned = functional.cosine_similarity(self.directions[:alike], before[:alike])

    def rests(self, count: int, tau: float) -> bool:
        """Whether the first `count` directions stayed where they were at the last batch, but for a cosine of tau.

        Not as long as there are none, because all rows are still waiting for more.
        """
        turned = self._turned[:count]
        return len(self.directions) > 0 and len(turned) >= min(count, self.wanted) and bool((turned >= tau).all())
