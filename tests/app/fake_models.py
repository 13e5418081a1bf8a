"""Descriptions of models that are on no disk, for pages that only look at descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.layers import LayerInfo, Role
from core.models.info import ModelInfo

LLAMA: tuple[tuple[str, Role], ...] = (
    ("self_attn.q_proj", "q"), ("self_attn.k_proj", "k"), ("self_attn.v_proj", "v"), ("self_attn.o_proj", "o"),
    ("mlp.gate_proj", "gate"), ("mlp.up_proj", "up"), ("mlp.down_proj", "down"),
)  # fmt: skip
GPT2: tuple[tuple[str, Role], ...] = (
    ("attn.c_attn", "qkv"), ("attn.c_proj", "o"), ("mlp.c_fc", "fc1"), ("mlp.c_proj", "fc2"),
)  # fmt: skip
NINE: tuple[tuple[str, Role], ...] = (
    *LLAMA, ("cross_attention.in_proj", "other"), ("cross_attention.out_proj", "other"),
)  # fmt: skip


def fake_model(
    blocks: int = 30, roles: tuple[tuple[str, Role], ...] = LLAMA, *, hidden: int = 576, **changes: Any
) -> ModelInfo:
    """A model of so many blocks; `changes` are fields of `ModelInfo`."""
    kv, wide = max(hidden // 3, 1), hidden * 8 // 3
    sizes: dict[str, tuple[int, int]] = {
        "k": (kv, hidden), "v": (kv, hidden), "qkv": (hidden * 3, hidden), "gate": (wide, hidden), "up": (wide, hidden),
        "fc1": (wide, hidden), "down": (hidden, wide), "fc2": (hidden, wide),
    }  # fmt: skip
    layers = [LayerInfo("model.embed_tokens", "embed", None, 49152, hidden, "embedding")]
    for block in range(blocks):
        for name, role in roles:
            layers.append(LayerInfo(f"model.layers.{block}.{name}", role, block, *sizes.get(role, (hidden, hidden))))
    layers.append(LayerInfo("lm_head", "head", None, 49152, hidden))
    parameters = sum(layer.parameters for layer in layers[:-1])
    fields: dict[str, Any] = {
        "path": Path("/models/SmolLM2-135M-Instruct"), "name": "SmolLM2-135M-Instruct",
        "architecture": "LlamaForCausalLM", "model_type": "llama", "family": "Llama", "layers": tuple(layers),
        "blocks": blocks, "parameters": parameters, "bytes": parameters * 2, "dtype": "bfloat16", "vocabulary": 49152,
        "hidden": hidden, "heads": 9, "kv_heads": 3, "head_dim": 64, "intermediate": wide, "context": 8192,
        "tied": True, "has_chat_template": True, "kind": "folder",
    }  # fmt: skip
    return ModelInfo(**{**fields, **changes})
