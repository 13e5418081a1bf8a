"""How GGUF names the tensors of an architecture, and what `transformers` calls the same ones.

One row per architecture, with what llama.cpp's converter did to the numbers on the way in, so that it can be undone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from core.component import did_you_mean
from core.errors import UserError

_BLOCK = re.compile(r"^blk\.(\d+)\.(.+)\.(weight|bias)$")
_ATTENTION = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
_GATED = {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
_LLAMA = {**_ATTENTION, **_GATED, "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_GEMMA = {
    **_ATTENTION,
    **_GATED,
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_PHI3 = {
    "attn_qkv": "self_attn.qkv_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_up": "mlp.gate_up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_GPT2 = {
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
    "attn_norm": "ln_1",
    "ffn_norm": "ln_2",
}
_OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_OUTSIDE_GPT2 = {
    "token_embd": "transformer.wte",
    "position_embd": "transformer.wpe",
    "output_norm": "transformer.ln_f",
    "output": "lm_head",
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """One architecture of GGUF: its `model_type` and class in transformers, and the names on both sides."""

    model_type: str
    model_class: str
    inside: Mapping[str, str]
    outside: Mapping[str, str] = field(default_factory=lambda: MappingProxyType(_OUTSIDE))
    blocks: str = "model.layers"
    rotated: bool = False
    """Whether the rows of q and k are stored in another order than transformers has them."""
    norm_offset: float = 0.0
    """What the file has added to the weights of every norm."""

    def name(self, tensor: str) -> str | None:
        """What transformers calls a tensor of the file; None where it has no such tensor."""
        found = _BLOCK.match(tensor)
        if found:
            inside = self.inside.get(found[2])
            return f"{self.blocks}.{found[1]}.{inside}.{found[3]}" if inside else None
        stem, _, last = tensor.rpartition(".")
        return f"{self.outside[stem]}.{last}" if stem in self.outside else None


ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture("llama", "LlamaForCausalLM", _LLAMA, rotated=True),
    "qwen2": Architecture("qwen2", "Qwen2ForCausalLM", _LLAMA),
    "qwen3": Architecture("qwen3", "Qwen3ForCausalLM", _LLAMA),
    "gemma2": Architecture("gemma2", "Gemma2ForCausalLM", _GEMMA, norm_offset=1.0),
    "gemma3": Architecture("gemma3_text", "Gemma3ForCausalLM", _GEMMA, norm_offset=1.0),
    "phi3": Architecture("phi3", "Phi3ForCausalLM", _PHI3),
    "gpt2": Architecture(
        "gpt2", "GPT2LMHeadModel", _GPT2, outside=MappingProxyType(_OUTSIDE_GPT2), blocks="transformer.h"
    ),
}


def architecture_of(name: str, path: str) -> Architecture:
    """The row of an architecture.

    Raises:
        UserError: the file holds a model that cannot be turned into a folder.
    """
    if name not in ARCHITECTURES:
        raise UserError(
            f"{path} holds a model of the architecture '{name}', which cannot be opened from a GGUF file.",
            hint=f"Choose its original folder instead. From GGUF: {did_you_mean(name, ARCHITECTURES)}",
        )
    return ARCHITECTURES[name]
