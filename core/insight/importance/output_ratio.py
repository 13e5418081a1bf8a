"""How much an adapter says beside what its layer says anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.insight.importance.subject import Subject


class OutputRatio(Score):
    """The adapter's output beside the base layer's: the root of their mean squared lengths' ratio, over all tokens.

    It tells where behaviour changes most, whatever the size of the activations. It cannot tell whether that helps.
    """

    kind = "output-ratio"
    label = "Output beside the base's"
    finds_planted: ClassVar[Planted] = Planted.OF_KIND
    found_because: ClassVar[str] = "Matrices that feed a planted one are moved along with it, and so is what they say."

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        import numpy as np

        from core.insight.importance.outputs import outputs

        added, base = outputs(subject, of_base=True)
        ratio: NDArray[np.float64] = np.sqrt(added / np.where(base > 0, base, np.inf))
        return ratio
