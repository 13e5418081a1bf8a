"""What a score looks at: a model with its adapters on, and a few batches of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.adapters.adapted import Adapted
from core.evaluating import evaluating

if TYPE_CHECKING:
    from core.data.batches import Batch
    from core.train.training import Training


@dataclass
class Subject:
    """A training that stands still.

    Attributes:
        training: model, adapters, objective and held-out batches.
        batches: calibration examples, each in a row of its own.
        progress: told the share that is done; may raise to end it.
        notes: what a score's watchers remember, by the score's kind.
    """

    training: Training
    batches: Sequence[Batch]
    progress: Callable[[float], None]
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def layers(self) -> list[Adapted]:
        """The adapted layers."""
        return list(self.training.adapters.layers.values())

    @contextmanager
    def still(self) -> Iterator[None]:
        """No dropout, and nothing drawn at random, while the block lasts."""
        from core.train.seed import undisturbed

        with evaluating(self.training.model), undisturbed():
            yield

    def forward(self) -> Iterator[tuple[Batch, Any]]:
        """Each calibration batch with the sum of its tokens' losses, still on the graph; gradients are the caller's."""
        for place, batch in enumerate(self.batches):
            self.progress(place / len(self.batches))
            with self.training.precision.autocast():
                loss = self.training.objective(batch)
            yield batch, loss
