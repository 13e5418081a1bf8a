"""AdaLoRA's form of the change with its in-side factor frozen, as LoRA-FA has it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.triplets import Triplets

if TYPE_CHECKING:
    from torch import Tensor


class SvdFrozenQ(Triplets):
    """AdaLoRA's P diag(lambda) Q (arXiv:2303.10512) over a Q that keeps its random start, as LoRA-FA's A does.

    Trains about half the numbers, and the backward pass need not keep a layer's input. The term that keeps directions
    apart is that of P alone. In no paper: AdaLoRA's budget over it is an experiment.
    """

    kind = "svd-fa"
    label = "P λ Q, Q frozen (AdaLoRA, LoRA-FA)"
    trains_q = False
    because = MappingProxyType({**Triplets.because, "pair": "its Q stays as it was drawn"})
    wary = MappingProxyType(
        {
            **Triplets.wary,
            "masks": "AdaLoRA over a frozen Q is in no paper: triplets compete by P and λ alone, along directions that "
            "stay as they were drawn.",
            "dropout": "Dropout before the frozen Q keeps a mask as large as the layer's input, and so takes away the "
            "memory that is saved: set adapter.dropout to 0.",
        }
    )

    def over_frozen(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return self.factors(p)
