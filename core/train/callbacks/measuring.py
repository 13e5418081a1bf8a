"""Measures every step: what it cost, and how far each layer has moved from its base weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.adapters.adapted import Adapted
from core.adapters.axis import Delta, Init, Magnitude
from core.adapters.norms import delta_norms
from core.callback import Callback
from core.insight.live import costly, spectra
from core.train.callbacks.moves import Moves
from core.train.memory import peak
from core.train.training import Training

SPECTRA = 100
"""How often, about, in a whole run the singular values are looked at: they cost more than norms and change slowly."""
COSTLY_SPECTRA = 20
"""How often where they take long, and the fewest steps between two looks: a look at dense changes is a third of a step
of theirs, so all looks together are at most a sixtieth of the run."""


class Measuring(Callback):
    """Curves at every step, vectors by layer every `train.measure_every` steps and at the last, some more rarely."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.layers = list(training.adapters.layers.values())
        self.steps = training.config.train.steps
        self.rare = self.rarest = max(self.steps // SPECTRA, 1)
        self.moves: Moves | None = None
        self.base_norms: NDArray[np.float32] = np.empty(0, dtype=np.float32)

    def begin(self) -> None:
        """Name the layers, and measure their base weights once."""
        self.training.sink.layers([layer.plan.layer for layer in self.layers])
        self.base_norms = _base_norms(self.layers)
        if costly(self.layers):
            self.rarest = max(self.steps // COSTLY_SPECTRA, COSTLY_SPECTRA)

    def before_optimizer(self) -> None:
        """Keep what the step is about to change, where it is to be measured."""
        self.moves = Moves(self.layers) if self._due(self.training.progress.step + 1, self.rare) else None

    def after_step(self, step: int) -> None:
        """Write the curves and vectors of the step."""
        training, measured, progress = self.training, self.training.measured, self.training.progress
        assert measured is not None
        points = {
            "loss": measured.loss,
            "learning_rate": measured.learning_rate,
            "gradient_norm": measured.gradient_norm,
            "tokens_per_second": measured.tokens / max(measured.seconds, 1e-9),
            "memory": float(peak(training.precision.device)),
            "trained_tokens": float(progress.trained_tokens),
            "seconds": progress.seconds,
        }
        points.update(training.figures(whole=False))
        for callback in training.callbacks:
            points.update(callback.points())
        training.sink.points(step, points)
        if training.scheduled(training.config.train.measure_every):
            self._measure_layers(step)
        if self.moves is not None:
            training.sink.vector(step, "update_size", self.moves.sizes())
        if self._due(step, self.rarest):
            for key, values in zip(("effective_rank", "largest_singular"), spectra(self.layers), strict=True):
                training.sink.vector(step, key, values)

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.steps

    def _measure_layers(self, step: int) -> None:
        norms = delta_norms(self.layers)
        self.training.sink.vector(step, "delta_norm", norms)
        self.training.sink.vector(step, "relative_norm", norms / self.base_norms)
        for key, values in self._own():
            self.training.sink.vector(step, key, np.asarray(values, dtype=np.float32))

    def _own(self) -> Iterator[tuple[str, Any]]:
        """What the members of the axes measure of their own: those that act, and those that live in the layers."""
        for callback in self.training.callbacks:
            yield from callback.vectors().items()
        adapter = self.training.adapters.config
        for member in (adapter.axis("delta"), adapter.axis("magnitude"), adapter.axis("init")):
            assert isinstance(member, Delta | Magnitude | Init)
            yield from member.measured(self.layers).items()


@torch.no_grad()
def _base_norms(layers: Sequence[Adapted]) -> NDArray[np.float32]:
    """The Frobenius norm of every layer's base weight; 1 where it is all zeros, so that nothing is divided by it.

    Each goes into its place among all: a tensor of its own would lie where the next weight of codes could have been
    worked out, and so a copy of the whole model would come to lie in the heap.
    """
    norms = torch.empty(len(layers), device=layers[0].base_weight().device)
    for place, layer in enumerate(layers):
        norms[place] = torch.linalg.vector_norm(layer.base_weight(), dtype=torch.float32)
    found: NDArray[np.float32] = norms.cpu().numpy()
    return np.where(found > 0, found, np.float32(1))
