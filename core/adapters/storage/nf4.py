"""QLoRA's 4-bit NormalFloat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.storage.quantised import FourBits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Size, Tensor, dtype


class Nf4(FourBits):
    """The linear layers of the blocks in 4.5 bits a weight: the NormalFloat of QLoRA (arXiv:2305.14314).

    Sixteen levels, and a 32-bit scale for every 64 weights. Weights as models have them lose about 9 percent of their
    size, and the adapter learns on top of what is left; training is slower, since weights are unpacked for each use.
    """

    kind = "nf4"
    label = "NF4 (4.5 bits)"
    paper = "2305.14314"

    def bytes_per_weight(self, compute_bytes: int, columns: int) -> float:
        return (4 + 32 / 64) / 8

    def encode(self, weight: Tensor) -> dict[str, Tensor]:
        from core.adapters.storage.blockwise import to_nf4

        packed, magnitudes = to_nf4(weight)
        return {"weight": packed, "magnitudes": magnitudes}

    def decode(self, codes: Mapping[str, Tensor], shape: Size, dtype: dtype, gain: Tensor | None = None) -> Tensor:
        from core.adapters.storage.blockwise import from_nf4

        return from_nf4(codes["weight"], codes["magnitudes"], shape, dtype, gain)
