"""What the adapters add to their layers' outputs, gathered in one pass over the calibration examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.insight.importance.subject import Subject

if TYPE_CHECKING:
    from core.adapters.adapted import Adapted


def outputs(subject: Subject, *, of_base: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean over all tokens but padding of ||s B A x||², and of ||W x||² where it is asked for; both (layers,).

    ||B h||² is hᵀ (Bᵀ B) h with h = A x, so nothing of the size of the output is made for the adapter's part. Where it
    gives rows other lengths as well (DoRA), what it adds is the layer's output less the base's.
    """
    listeners = [_Listener(layer, of_base=of_base) for layer in subject.layers]
    handles = [one.layer.register_forward_hook(one.hear) for one in listeners]
    try:
        with subject.still(), torch.no_grad(), subject.training.precision.autocast():
            for place, batch in enumerate(subject.batches):
                subject.progress(place / len(subject.batches))
                real = None if batch.attention_mask is None else batch.attention_mask.bool()
                for one in listeners:
                    one.real = real
                subject.training.objective(batch)
    finally:
        for handle in handles:
            handle.remove()
    tokens = np.array([max(1, one.tokens) for one in listeners])
    return np.array([one.added for one in listeners]) / tokens, np.array([one.base for one in listeners]) / tokens


class _Listener:
    """Adds up what one layer says. `real` tells which tokens of the present batch are no padding."""

    def __init__(self, layer: Adapted, *, of_base: bool) -> None:
        self.layer = layer
        self.of_base = of_base
        self.real: Tensor | None = None
        self.added = self.base = 0.0
        self.tokens = 0
        b, a = (factor.detach().float() for factor in layer.factors())
        self.gram, self.a = b.T @ b, a * layer.scale
        self.factored = "plain_magnitude" in layer.magnitude.provides

    def hear(self, _layer: object, args: tuple[Tensor, ...], output: Tensor) -> None:
        """The layer was given args[0], (..., in), and answered `output`, (..., out)."""
        x = self._rows(args[0])
        self.tokens += len(x)
        if self.factored:
            with torch.autocast(x.device.type, enabled=False):  # in full precision, whatever the model computes in
                h = x.float() @ self.a.T
                self.added += float(((h @ self.gram) * h).double().sum())
        else:
            added = self._rows(output).float() - self.layer.base(x).float()
            self.added += float(added.double().square().sum())
        if self.of_base:
            self.base += float(self.layer.base_output(x, bias=False).double().square().sum())

    def _rows(self, x: Tensor) -> Tensor:
        """What belongs to real tokens, (tokens, width); where the layer sees them in another order (experts), all."""
        if self.real is not None and x.shape[:-1] == self.real.shape:
            return x[self.real.to(x.device)]
        return x.reshape(-1, x.shape[-1])
