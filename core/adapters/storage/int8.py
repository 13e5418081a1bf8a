"""Whole numbers of 8 bits with a scale for every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.storage.quantised import Quantised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Size, Tensor, dtype


class Int8(Quantised):
    """The linear layers of the blocks in 8 bits a weight, scaled by rows as in LLM.int8 (arXiv:2208.07339).

    An error below one percent, for twice the memory of 4 bits. Only the weights are rounded: inputs keep their
    precision, so that gradients stay exact, where LLM.int8 rounds inputs as well.
    """

    kind = "int8"
    label = "int8 (8 bits)"
    paper = "2208.07339"

    def bytes_per_weight(self, compute_bytes: int, columns: int) -> float:
        return 1 + 4 / columns

    def encode(self, weight: Tensor) -> dict[str, Tensor]:
        from core.adapters.storage.blockwise import to_int8

        codes, largest = to_int8(weight)
        return {"weight": codes, "largest": largest}

    def decode(self, codes: Mapping[str, Tensor], shape: Size, dtype: dtype, gain: Tensor | None = None) -> Tensor:
        from core.adapters.storage.blockwise import from_int8

        return from_int8(codes["weight"], codes["largest"], dtype, gain)
