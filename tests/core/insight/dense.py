"""What the product works out from factors, worked out from whole weights."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from core.insight.decomposition import Movement


def dense_movement(weight: Tensor, trained: Tensor) -> Movement:
    """How far the rows of an (out, in) matrix without rows of zeros have moved, as variants.md 15 defines it."""
    weight, trained = weight.detach().double(), trained.detach().double()
    magnitude = (trained.norm(dim=1) - weight.norm(dim=1)).abs().mean()
    direction = (1 - functional.cosine_similarity(trained, weight, dim=1, eps=0)).mean()
    return Movement(float(magnitude), float(direction))
