"""How many directions each layer uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.insight.importance.subject import Subject


class EffectiveRank(Score):
    """The number of directions that the update really uses: exp of the entropy of its singular values.

    It tells where the rank is used up and more might help. It is blind to size: noise fills every direction.
    """

    kind = "effective-rank"
    label = "Effective rank"
    finds_planted: ClassVar[Planted] = Planted.ANYWHERE
    found_because: ClassVar[str] = "What follows noise uses every direction that it is given."

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        import numpy as np

        from core.insight.spectra import effective_rank, spectrum

        return np.array([effective_rank(spectrum(*layer.factors()).values) for layer in subject.layers])
