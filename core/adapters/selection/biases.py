"""BitFit: the biases alone are trained."""

from __future__ import annotations

from core.adapters.selection.vectors import Vectors
from core.layers import LayerInfo


class Biases(Vectors):
    """Trains the biases of the blocks in which layers are chosen, and no matrix at all (BitFit, arXiv:2106.10199).

    A yardstick: about a thousandth of the model. It takes LoRA's learning rate, or up to ten times that. Many newer
    models, Llama among them, have no biases to train. The result is merged, as no adapter format holds it.
    """

    kind = "biases"
    label = "Biases only (BitFit)"
    paper = "2106.10199"
    pace = 10.0

    def wanted(self, vector: LayerInfo) -> bool:
        return vector.name.endswith(".bias")
