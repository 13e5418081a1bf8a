"""How far each layer has been moved, for its size."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.insight.importance.subject import Subject


class RelativeUpdate(Score):
    """The norm of what the adapter adds beside the norm of the base weight.

    It tells which layers changed most in proportion. It cannot tell what that did: layers that gain little move
    nearly as far, and those of small weights win.
    """

    kind = "relative-update"
    label = "Update beside the weight"
    finds_planted: ClassVar[Planted] = Planted.OF_KIND
    found_because: ClassVar[str] = (
        "Matrices that feed a planted one are moved along with it: Adam's steps are as long for little gain."
    )

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        import numpy as np
        import torch

        from core.adapters.norms import delta_norms

        sizes = np.array([float(torch.linalg.vector_norm(layer.base_weight().float())) for layer in subject.layers])
        moved: NDArray[np.float64] = delta_norms(subject.layers).astype("float64") / np.where(sizes > 0, sizes, np.inf)
        return moved
