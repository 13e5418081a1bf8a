"""Norm tuning: the gains and offsets of the norms alone are trained."""

from __future__ import annotations

from core.adapters.selection.vectors import Vectors
from core.layers import LayerInfo


class Norms(Vectors):
    """Trains gains and offsets of the norms, in the blocks in which layers are chosen and around (arXiv:2312.11420).

    A yardstick that every transformer allows: some ten thousandths of the model, and no matrix at all. It takes
    learning rates up to ten times LoRA's. The result is merged, as no adapter format holds it.
    """

    kind = "norms"
    label = "Norms only"
    paper = "2312.11420"
    pace = 20.0

    def wanted(self, vector: LayerInfo) -> bool:
        return vector.role == "norm"
