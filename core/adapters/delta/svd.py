"""AdaLoRA's form of the change: singular directions with a value each, which a budget can switch off."""

from __future__ import annotations

from core.adapters.triplets import Triplets


class Svd(Triplets):
    """dW = scale * P diag(lambda) Q, a singular value decomposition in the making (AdaLoRA, arXiv:2303.10512).

    A triplet whose lambda is zero costs nothing and can come back; how many are left is the rank schedule's business.
    """

    kind = "svd"
    label = "P λ Q (AdaLoRA)"
    provides = Triplets.provides | {"pair"}
