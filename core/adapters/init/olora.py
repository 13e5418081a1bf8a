"""OLoRA: the adapter starts with orthonormal columns taken from the weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.init.subtracted import Subtracted

if TYPE_CHECKING:
    from torch import Tensor


class Olora(Subtracted):
    """B starts as r orthonormal columns, A as their part of the weight: a QR decomposition (OLoRA, arXiv:2406.01775).

    The first output is the base model's. Quicker to work out than PiSSA, but it takes the weight's first columns as
    they come, not its principal part. Takes a tenth of LoRA's learning rate. The exported LoRA has rank 2r.
    """

    kind = "olora"
    label = "Orthonormal part of the weight (OLoRA)"
    paper = "2406.01775"

    def split(self, weight: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:
        import torch

        q, r = torch.linalg.qr(weight)
        return q[:, :rank], r[:rank]
