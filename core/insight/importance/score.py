"""What a measure of importance is: one number for each adapted layer, larger for a layer that matters more.

Torch-free at the top, so that the window can list the scores with what each can tell; the arithmetic imports torch
where it is done, in a worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from core.callback import Callback
    from core.insight.importance.subject import Subject


class Score(Component):
    """A way to say how much a layer matters. The docstring says what it can tell, and what it cannot."""

    learned: ClassVar[bool] = True
    """Whether it looks at an adapter that has learned something: a run's, or a probe's."""
    unit: ClassVar[str] = ""
    """Of its numbers."""

    def watching(self, subject: Subject) -> Sequence[Callback]:
        """Who looks on while the adapter learns, where there is a probe; `measure` is given the same subject."""
        return ()

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        """The score of every adapted layer, (layers,), in the adapters' order."""
        raise NotImplementedError
