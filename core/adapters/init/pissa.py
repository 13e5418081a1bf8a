"""PiSSA: the adapter starts as the principal part of the weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.init.subtracted import Subtracted

if TYPE_CHECKING:
    from torch import Tensor


class Pissa(Subtracted):
    """Trains the r largest singular directions of the weight instead of a zero start (PiSSA, arXiv:2404.02948).

    The first output is the base model's, but the first steps already move what matters most. Each chosen weight is
    decomposed once before the training, which takes a while on large layers. The exported LoRA has rank 2r.
    """

    kind = "pissa"
    label = "Principal part of the weight (PiSSA)"
    paper = "2404.02948"

    def split(self, weight: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:
        import torch

        u, s, vh = torch.linalg.svd(weight, full_matrices=False)
        root = (s[:rank] / scale).sqrt()
        return u[:, :rank] * root, root[:, None] * vh[:rank]
