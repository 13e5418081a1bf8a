"""Made-up layer lists of a Llama-shaped model, for tests that need no model."""

from __future__ import annotations

from core.layers import LayerInfo, Role

SIZES: dict[str, tuple[Role, int, int]] = {
    "self_attn.q_proj": ("q", 64, 64),
    "self_attn.k_proj": ("k", 32, 64),
    "self_attn.v_proj": ("v", 32, 64),
    "self_attn.o_proj": ("o", 64, 64),
    "mlp.gate_proj": ("gate", 128, 64),
    "mlp.up_proj": ("up", 128, 64),
    "mlp.down_proj": ("down", 64, 128),
}


def llama_layers(blocks: int = 3, *, vocabulary: int = 256) -> tuple[LayerInfo, ...]:
    """A Llama of width 64 with two key-value heads for four query heads, embedding and head included."""
    inside = [
        LayerInfo(f"model.layers.{block}.{name}", role, block, out_features, in_features)
        for block in range(blocks)
        for name, (role, out_features, in_features) in SIZES.items()
    ]
    embed = LayerInfo("model.embed_tokens", "embed", None, vocabulary, 64, "embedding")
    return (embed, *inside, LayerInfo("lm_head", "head", None, vocabulary, 64))
