"""A trained-looking adapter on a tiny model, saved as a checkpoint would be, for the tests of every export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from core.adapters.attach import Adapters, attach
from core.adapters.state import save
from core.adapters.storage.dense import Dense
from core.config.run import AdapterConfig
from core.layers import LayerInfo, LayerPlan
from tests.tiny import VOCABULARY, tiny_model

PROJECTIONS: dict[str, tuple[str, ...]] = {
    "llama": ("q_proj", "v_proj", "down_proj"),
    "qwen2": ("q_proj", "v_proj", "down_proj"),
    "qwen3": ("q_proj", "k_proj", "down_proj"),
    "mistral": ("q_proj", "v_proj", "down_proj"),
    "gemma2": ("q_proj", "o_proj", "down_proj"),
    "gemma3_text": ("q_proj", "k_proj", "down_proj"),
    "phi3": ("qkv_proj", "gate_up_proj", "down_proj"),
    "gpt2": ("c_attn", "c_proj", "c_fc"),
    "gpt_neox": ("query_key_value", "dense_4h_to_h"),
}

SIZES: dict[str, dict[str, int]] = {family: {"query_pre_attn_scalar": 16} for family in ("gemma2", "gemma3_text")}
"""Attention is scaled by the width of a head, as in every Gemma but the largest."""


@dataclass
class Made:
    """A base model on disk, the live model with its adapter, and the adapter's folder."""

    base: Path
    model: nn.Module
    adapters: Adapters
    folder: Path

    def logits(self) -> Tensor:
        """What the live model says to a fixed input, (2, 12, vocabulary)."""
        return logits(self.model)


def make(tmp_path: Path, family: str, *, dtype: torch.dtype | None = None, **adapter: Any) -> Made:
    """Save a tiny model of the family, put an adapter with random factors on it, and save that.

    Args:
        tmp_path: the test's folder.
        family: a key of `PROJECTIONS`.
        dtype: what the base's files are in; None leaves float32.
        adapter: options of `AdapterConfig`; `ranks` and `alphas` count by full layer name here, and `only` cuts the
            layers down to those whose name contains it.
    """
    only = adapter.pop("only", "")
    base = tiny_model(family, tmp_path / "base", **SIZES.get(family, {}))
    if dtype is not None:
        AutoModelForCausalLM.from_pretrained(base, dtype=dtype).save_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    config = AdapterConfig(**adapter)
    plans = [
        LayerPlan(layer, config.ranks.get(layer.name, config.rank), config.alphas.get(layer.name, config.alpha))
        for layer in matrices(model, PROJECTIONS[family])
        if only in layer.name
    ]
    adapters = attach(model, plans, config, seed=1, storage=Dense())
    generator = torch.Generator().manual_seed(5)
    for parameter in adapters.parameters():
        parameter.data += torch.randn(parameter.shape, generator=generator) * 0.1
    folder = tmp_path / "adapter"
    folder.mkdir()
    save(adapters, folder)
    return Made(base, model, adapters, folder)


def matrices(model: nn.Module, suffixes: tuple[str, ...]) -> list[LayerInfo]:
    """The linear layers of a model whose name ends in one of the suffixes."""
    found = []
    for name, module in model.named_modules():
        if name.rsplit(".", 1)[-1] in suffixes:
            conv = type(module).__name__ == "Conv1D"
            shape = tuple(reversed(module.weight.shape)) if conv else tuple(module.weight.shape)
            found.append(LayerInfo(name, "other", 0, shape[0], shape[1], "conv1d" if conv else "linear"))
    return found


def weighted_modules(model: nn.Module) -> set[str]:
    """The names of a plain model's modules that own a weight."""
    return {name for name, module in model.named_modules() if isinstance(getattr(module, "weight", None), Tensor)}


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    """What a model says to a fixed input, (2, 12, vocabulary)."""
    ids = torch.randint(3, VOCABULARY, (2, 12), generator=torch.Generator().manual_seed(9))
    found: Tensor = model(input_ids=ids).logits
    return found
