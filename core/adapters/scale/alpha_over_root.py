"""The scale of rsLoRA."""

import math

from core.adapters.axis import Scale


class AlphaOverRoot(Scale):
    """alpha / sqrt(r), as in rsLoRA (arXiv:2312.03732): high ranks learn as fast as low ones.

    At r = 64 the factor is 8 times that of LoRA for the same alpha: lower alpha or the learning rate.
    """

    kind = "alpha/sqrt(r)"
    label = "alpha / √r (rsLoRA)"
    paper = "2312.03732"

    def of(self, alpha: float, rank: int) -> float:
        return alpha / math.sqrt(rank)
