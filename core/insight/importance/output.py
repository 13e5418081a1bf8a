"""LoRA-drop's importance: how much an adapter says."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.insight.importance.subject import Subject


class Output(Score):
    """The mean squared length of what the adapter adds to the layer's output, over all tokens (LoRA-drop).

    It tells where the adapter is loud, among layers of one kind. It cannot tell whether that helps, and layers with
    large activations win.
    """

    kind = "output"
    label = "Output of the adapter"
    paper = "2402.07721"
    finds_planted: ClassVar[Planted] = Planted.OF_KIND
    found_because: ClassVar[str] = (
        "Matrices that feed a planted one are moved along with it, and larger outputs count for more."
    )

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        from core.insight.importance.outputs import outputs

        return outputs(subject, of_base=False)[0]
