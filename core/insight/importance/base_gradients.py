"""Norms of the gradient of frozen weights, without ever forming such a gradient.

The gradient of an (out, in) weight over n tokens is G = gᵀ x, with g (n, out) the gradient at the layer's output and x
(n, in) its input. ||G||² is the sum over all pairs of tokens of (g gᵀ) * (x xᵀ): two n x n matrices instead of one of
the weight's size. Of one example alone it is the same over that example's tokens, a block on the diagonal. Measured on
the base model, adapters switched off, through hooks on the layers' outputs; no weight asks for a gradient.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.insight.importance.subject import Subject


def gradients(subject: Subject, *, over: Literal["batch", "example"]) -> NDArray[np.float64]:
    """The mean of ||G||², (layers,): of whole batches' mean losses, or of single examples' summed ones."""
    listeners = [_Listener(over) for _ in subject.layers]
    handles = [layer.register_forward_hook(one.hear) for layer, one in zip(subject.layers, listeners, strict=True)]
    counted = 0
    try:
        with subject.still(), subject.training.adapters.disabled(), torch.enable_grad():
            for batch, loss in subject.forward():
                (loss / (batch.counted or 1) if over == "batch" else loss).backward()
                counted += 1 if over == "batch" else len(batch.input_ids)
    finally:
        for handle in handles:
            handle.remove()
    return np.array([one.square for one in listeners]) / max(1, counted)


class _Listener:
    """Adds up one layer's squared gradient norms."""

    def __init__(self, over: str) -> None:
        self.over = over
        self.square = 0.0

    def hear(self, _layer: object, args: tuple[Tensor, ...], output: Tensor) -> None:
        """The layer was given args[0], (..., in), and answered `output`, (..., out)."""
        if not output.requires_grad:
            output.requires_grad_(True)
        x = args[0].detach()

        def take(g: Tensor) -> None:
            self.square += _square(g, x, self.over)

        output.register_hook(take)  # type: ignore[no-untyped-call]


def _square(g: Tensor, x: Tensor, over: str) -> float:
    """||gᵀ x||² over all rows, or the sum over the first dimension's examples of their own."""
    g, x = g.detach().float(), x.float()
    if over == "batch" or g.dim() < 3:
        g, x = g.reshape(1, -1, g.shape[-1]), x.reshape(1, -1, x.shape[-1])
    return float(((g @ g.mT) * (x @ x.mT)).double().sum().clamp_min(0))
