"""What a measure of importance is: one number for each adapted layer, larger for a layer that matters more.

Torch-free at the top, so that the window can list the scores with what each can tell; the arithmetic imports torch
where it is done, in a worker.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from core.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from core.callback import Callback
    from core.insight.importance.subject import Subject


class Planted(StrEnum):
    """Where a score puts layers, after a short probe, of which it is known that no others can help; best to worst."""

    FIRST = "first of all"
    OF_KIND = "first of their kind"
    ANYWHERE = "anywhere"


class Score(Component):
    """A way to say how much a layer matters. The docstring says what it can tell, and what it cannot."""

    learned: ClassVar[bool] = True
    """Whether it looks at an adapter that has learned something: a run's, or a probe's."""
    finds_planted: ClassVar[Planted]
    """How far it finds layers of which it is known that they alone can help; tests/core/insight/planted.py has some."""
    found_because: ClassVar[str]
    """Why no farther, or why so far: a sentence."""

    @classmethod
    def help(cls) -> str:
        """The docstring, and how far it is to be trusted."""
        return f"{super().help()} In tests in which only known layers can help, it puts these {cls.finds_planted}."

    def unit(self, task: str) -> str:
        """What its numbers are counted in, in a run of a task; empty for numbers that only compare."""
        return ""

    def watching(self, subject: Subject) -> Sequence[Callback]:
        """Who looks on while the adapter learns, where there is a probe; `measure` is given the same subject."""
        return ()

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        """The score of every adapted layer, (layers,), in the adapters' order."""
        raise NotImplementedError
