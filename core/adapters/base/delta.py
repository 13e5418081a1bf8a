"""Delta-LoRA over weights that stay as they are: what the base takes up is worked out beside it.

The forward pass adds lambda s (B_t A_t - B_tau A_tau) as the difference of two low-rank products, with no gradient to A
and B. That works on any base, a quantised one too, and stays exact in low precision, where the paper's increments would
vanish below one unit in the last place.
"""

from __future__ import annotations

from core.adapters.base.following import Follows


class DeltaUpdate(Follows):
    """The base weight moves along with the adapter, `ratio` times as far (Delta-LoRA, arXiv:2309.02411).

    No dropout: with it the gradient of B A is not the gradient of W. With Adam and a start at 0 it equals LoRA with
    alpha * (1 + ratio): compare with that. The weights themselves are left alone, which costs two thin products more.
    """

    kind = "delta"
    label = "Follows the adapter (Delta-LoRA)"
