"""QLoRA's 4-bit NormalFloat, its scales quantised as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.storage.quantised import FourBits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Size, Tensor, dtype


class Nf4Double(FourBits):
    """NF4 whose scales are kept in 8 bits: 4.13 bits a weight for the same error, as QLoRA has it (arXiv:2305.14314).

    It saves 0.37 bits a weight against plain NF4: 3 GB of a model with 65 billion.
    """

    kind = "nf4-double"
    label = "NF4, double quantisation (4.13 bits)"
    paper = "2305.14314"

    def bytes_per_weight(self, compute_bytes: int, columns: int) -> float:
        return (4 + 8 / 64 + 32 / (64 * 256)) / 8

    def encode(self, weight: Tensor) -> dict[str, Tensor]:
        from core.adapters.storage.blockwise import to_8bit, to_nf4

        packed, magnitudes = to_nf4(weight)
        codes, largest, mean = to_8bit(magnitudes)
        return {"weight": packed, "magnitudes": codes, "largest": largest, "mean": mean}

    def decode(self, codes: Mapping[str, Tensor], shape: Size, dtype: dtype, gain: Tensor | None = None) -> Tensor:
        from core.adapters.storage.blockwise import from_8bit, from_nf4

        magnitudes = from_8bit(codes["magnitudes"], codes["largest"], codes["mean"])
        return from_nf4(codes["weight"], magnitudes, shape, dtype, gain)
