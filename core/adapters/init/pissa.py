"""PiSSA: the adapter starts as the principal part of the weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.init.subtracted import Subtracted
from core.component import option

if TYPE_CHECKING:
    from torch import Tensor


class Pissa(Subtracted):
    """Trains the r largest singular directions of the weight instead of a zero start (PiSSA, arXiv:2404.02948).

    The first output is the base model's, but the first steps already move what matters most. Each chosen weight is
    decomposed once before the training, which takes a while on large layers unless the search is quick. Takes a tenth
    of LoRA's learning rate. The exported LoRA has rank 2r.
    """

    kind = "pissa"
    label = "Principal part of the weight (PiSSA)"
    paper = "2404.02948"

    iterations: int = option(
        0,
        "Quick search",
        "0 decomposes each weight exactly. A number searches its main directions alone, with so many rounds: many "
        "times quicker on large layers, and 16 are hardly told from the exact start.",
        unit="rounds",
        ge=0,
        le=64,
    )

    def split(self, weight: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:
        import torch

        from core.adapters.init.leading import leading

        if self.iterations:
            u, s, vh = leading(weight, 2 * rank, self.iterations)
        else:
            u, s, vh = torch.linalg.svd(weight, full_matrices=False)
        root = (s[:rank] / scale).sqrt()
        return u[:, :rank] * root, root[:, None] * vh[:rank]
