"""Norms of the gradient of frozen weights, without ever forming such a gradient.

The gradient of an (out, in) weight over n tokens is G = gᵀ x, with g (n, out) the gradient at the layer's output and x
(n, in) its input. ||G||² is the sum over all pairs of tokens of (g gᵀ) * (x xᵀ): two n x n matrices instead of one of
the weight's size. Of one example alone it is the same over that example's tokens, a block on the diagonal; what the
blocks leave is the sum of <G, G'> over all pairs of different examples. Measured on the base model, adapters switched
off, through hooks on the layers' outputs; no weight asks for a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.insight.importance.subject import Subject


@dataclass(frozen=True)
class Gradients:
    """Sums over the calibration examples, each example's loss summed over its tokens.

    Attributes:
        own: of every example's ||G||², (layers,).
        paired: of <G, G'> over all ordered pairs of examples of one batch, (layers,).
        examples, pairs: how many there were.
        losses: what the sum of all losses is divided by for their mean.
    """

    own: NDArray[np.float64]
    paired: NDArray[np.float64]
    examples: int
    pairs: int
    losses: float

    def of_examples(self) -> NDArray[np.float64]:
        """The mean of single examples' ||G||², (layers,)."""
        return self.own / max(1, self.examples)

    def of_mean(self) -> NDArray[np.float64]:
        """||G||² of the mean loss, (layers,), unbiased but for not being below 0.

        The squared norm of a mean over n examples is too large by a n-th of their scatter, so that noise would win
        where batches are small. Two examples have no noise in common: their products hold what they agree on. Of
        a single example there is nothing to compare with, so it is taken as it is.
        """
        square = self.paired / self.pairs if self.pairs else self.of_examples()
        shared: NDArray[np.float64] = np.maximum(square, 0.0) * (self.examples / max(1.0, self.losses)) ** 2
        return shared


def gradients(subject: Subject) -> Gradients:
    """Look at all calibration examples once."""
    listeners = [_Listener() for _ in subject.layers]
    handles = [layer.register_forward_hook(one.hear) for layer, one in zip(subject.layers, listeners, strict=True)]
    examples, pairs, losses = 0, 0, 0.0
    try:
        with subject.still(), subject.training.adapters.disabled(), torch.enable_grad():
            for batch, loss in subject.forward():
                size = len({example for example, _ in batch.sources}) or len(batch.input_ids)
                for one in listeners:
                    one.examples = size
                loss.backward()
                examples, pairs, losses = examples + size, pairs + size * (size - 1), losses + batch.counted
    finally:
        for handle in handles:
            handle.remove()
    own, paired = (np.array([getattr(one, name) for one in listeners]) for name in ("own", "paired"))
    return Gradients(own, paired, examples, pairs, losses)


class _Listener:
    """Adds up one layer's products of gradients. `examples` tells how many share the rows of the present batch."""

    def __init__(self) -> None:
        self.own = self.paired = 0.0
        self.examples = 1

    def hear(self, _layer: object, args: tuple[Tensor, ...], output: Tensor) -> None:
        """The layer was given args[0], (..., in), and answered `output`, (..., out)."""
        if not output.requires_grad:
            output.requires_grad_(True)
        x = args[0].detach()

        def take(g: Tensor) -> None:
            self._add(g.detach().float(), x.float())

        output.register_hook(take)  # type: ignore[no-untyped-call]

    def _add(self, g: Tensor, x: Tensor) -> None:
        """Where tokens come without their example (experts), all count as one, and as many when they are paired."""
        rows, inputs = g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])
        whole = _square(rows, inputs)
        if g.dim() > 2:
            own = apart = _square(*(each.reshape(self.examples, -1, each.shape[-1]) for each in (g, x)))
        else:
            own, apart = whole, _square(rows[:, None], inputs[:, None])
        self.own += own
        self.paired += whole - apart


def _square(g: Tensor, x: Tensor) -> float:
    """The sum of ||gᵀ x||² over the leading dimension, where there is one."""
    return float(((g @ g.mT) * (x @ x.mT)).double().sum().clamp_min(0))
