"""The scale of the LoRA paper."""

from core.adapters.axis import Scale


class AlphaOverRank(Scale):
    """alpha / r, as in LoRA (arXiv:2106.09685): raising the rank leaves the size of the first update alone."""

    kind = "alpha/r"
    label = "alpha / r"
    paper = "2106.09685"

    def of(self, alpha: float, rank: int) -> float:
        return alpha / rank
