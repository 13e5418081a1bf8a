"""How far each layer has been moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.insight.importance.subject import Subject


class Update(Score):
    """The Frobenius norm of what the adapter adds to the weight.

    It tells where the training went. It cannot tell what that did: layers that gain little move nearly as far, and
    a small change in the right direction may matter more.
    """

    kind = "update"
    label = "Size of the update"
    finds_planted: ClassVar[Planted] = Planted.OF_KIND
    found_because: ClassVar[str] = (
        "Matrices that feed a planted one are moved along with it: Adam's steps are as long for little gain."
    )

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        from core.adapters.norms import delta_norms

        return delta_norms(subject.layers).astype("float64")
