"""Where the base model itself would move first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.insight.importance.subject import Subject


class Gradient(Score):
    """The norm of the loss's gradient at the frozen weight, in what examples agree on; needs no training.

    It tells where full fine-tuning would take its first step. It cannot see what a longer training finds, and large
    matrices win.
    """

    kind = "gradient"
    label = "Gradient of the weight"
    learned: ClassVar[bool] = False
    finds_planted: ClassVar[Planted] = Planted.FIRST
    found_because: ClassVar[str] = "Examples agree on them alone; elsewhere they pull in all directions."

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        import numpy as np

        from core.insight.importance.base_gradients import gradients

        root: NDArray[np.float64] = np.sqrt(gradients(subject).of_mean())
        return root
