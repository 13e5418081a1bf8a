"""How much single examples pull at the base model's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.insight.importance.subject import Subject


class Fisher(Score):
    """Trace of the empirical Fisher information of the frozen weight: each example's squared gradient, on average.

    It tells where examples pull, even against one another; needs no training. It cannot tell a common pull from noise,
    and long examples and large matrices win.
    """

    kind = "fisher"
    label = "Fisher information"
    learned: ClassVar[bool] = False
    finds_planted: ClassVar[Planted] = Planted.ANYWHERE
    found_because: ClassVar[str] = (
        "Answers that nobody can foresee pull at every layer, and most where activations are large."
    )

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        from core.insight.importance.base_gradients import gradients

        return gradients(subject).of_examples()
