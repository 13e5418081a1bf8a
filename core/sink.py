"""Where a training puts what it has to say: the one door between the trainer and everybody who watches.

A Protocol, so that the trainer can be run by a test with a list behind it, and by the worker with the database.
No method may raise because of the disk or the database: a training that has run for hours is worth more than its log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from core.commands import Command
from core.events import Event
from core.layers import LayerInfo


class Nowhere:
    """A `Sink` for trainings that nobody keeps: short probes that are only measured."""

    def event(self, event: Event) -> None:
        """Nobody hears of it."""

    def points(self, step: int, values: Mapping[str, float]) -> None:
        """Nobody draws it."""

    def vector(self, step: int, key: str, values: NDArray[Any]) -> None:
        """Nobody draws it."""

    def layers(self, layers: Sequence[LayerInfo]) -> None:
        """Nobody asks."""

    def commands(self) -> list[Command]:
        """Nobody gives any."""
        return []

    def rewind(self, step: int) -> None:
        """There is nothing to forget."""

    def flush(self) -> None:
        """There is nothing to write."""

    def close(self) -> None:
        """There is nothing to let go of."""


class Sink(Protocol):
    """What the trainer is given. See `core.store.writer.Writer`."""

    def event(self, event: Event) -> None:
        """Something happened."""

    def points(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars measured at a step, by curve key; nan and inf are values like others."""

    def vector(self, step: int, key: str, values: NDArray[Any]) -> None:
        """One number per adapted layer, in the order of `layers`; kept as float32."""

    def layers(self, layers: Sequence[LayerInfo]) -> None:
        """The adapted layers, in the order of every vector."""

    def commands(self) -> list[Command]:
        """What has been asked since the last call, oldest first; each is handed out once."""

    def rewind(self, step: int) -> None:
        """Forget what was measured after `step`, from which a resumed run goes on, and say `Rewound`."""

    def flush(self) -> None:
        """Return once everything so far is written, or is known not to be writable for now."""

    def close(self) -> None:
        """Flush and let go; nothing may be said afterwards."""
