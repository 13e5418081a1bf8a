"""AdaLoRA's sensitivity, added up for each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.callback import Callback
from core.component import option
from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from core.adapters.adapted import Adapted
    from core.adapters.attach import Adapters
    from core.insight.importance.subject import Subject


class Sensitivity(Score):
    """How much the loss would change without the adapter's numbers: |w dL/dw|, smoothed over the probe (AdaLoRA).

    It tells which numbers the loss leans on now. It is a first-order guess:
    numbers that only matter together are missed.
    """

    kind = "sensitivity"
    label = "Sensitivity |w dL/dw|"
    paper = "2303.10512"
    finds_planted: ClassVar[Planted] = Planted.FIRST
    found_because: ClassVar[str] = "The loss leans on their numbers; the others are moved to little effect."

    beta1: float = option(0.85, "Beta 1", "Memory of the sensitivity.", ge=0, lt=1)
    beta2: float = option(0.85, "Beta 2", "Memory of its uncertainty.", ge=0, lt=1)

    def watching(self, subject: Subject) -> Sequence[Callback]:
        following = subject.notes[self.kind] = Following(subject.training.adapters, self.beta1, self.beta2)
        return [following]

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        """Over the probe where there was one; over the calibration batches where the adapter stands still."""
        import numpy as np

        following = subject.notes.get(self.kind)
        if following is None:
            following = Following(subject.training.adapters, self.beta1, self.beta2)
            with subject.still():
                for batch, loss in subject.forward():
                    (loss / (batch.counted or 1)).backward()
                    following.after_update()
                    subject.training.model.zero_grad(set_to_none=True)
        return np.array([following.score(name, layer) for name, layer in subject.training.adapters.layers.items()])


class Following(Callback):
    """Keeps the smoothed sensitivity of every trained number, and how uncertain it is, as AdaLoRA does."""

    def __init__(self, adapters: Adapters, beta1: float, beta2: float) -> None:
        from core.adapters.sensitivity import Sensitivities

        self.layers = adapters.layers
        self.sensitivities = Sensitivities(beta1, beta2)

    def after_update(self) -> None:
        """Take in the gradients of a step, before they are dropped."""
        self.sensitivities.take_in(
            {f"{name}.{key}": tensor for name, layer in self.layers.items() for key, tensor in layer.own.items()}
        )

    def score(self, name: str, layer: Adapted) -> float:
        """Sum over the ranks of the layer: each counts the mean over its own numbers in every tensor."""
        total = 0.0
        for key, tensor in layer.own.items():
            importance = self.sensitivities.importance(f"{name}.{key}", tensor.detach())
            dim = layer.declared[key].rank_dim
            total += float(importance.mean()) * (1 if dim is None else importance.shape[dim])
        return total
