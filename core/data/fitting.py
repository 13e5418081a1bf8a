"""Examples no longer than the model can read: the run, its preview and its checks cut at the same token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.config.run import DataConfig

if TYPE_CHECKING:
    from core.models.info import ModelInfo

COUNTED_FROM_TWO = "RoBERTa"
"""The family whose table of positions begins behind its padding, so that two of them are never used."""


def fitting(data: DataConfig, info: ModelInfo) -> DataConfig:
    """The data with `max_tokens` at what the model reads at most, where that is less."""
    most = room(info)
    return data.model_copy(update={"max_tokens": most}) if 0 < most < data.max_tokens else data


def room(info: ModelInfo) -> int:
    """Tokens that the model reads at most; 0 where its files do not say."""
    return max(0, info.context - (2 if info.family == COUNTED_FROM_TWO else 0))
