"""Small GGUF files as llama.cpp's converter writes them: the weights of a random model, its rows of q and k turned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from transformers import PreTrainedModel

from core.models.gguf_names import ARCHITECTURES
from tests.tiny import CHAT_TEMPLATE, random_model, tiny_tokenizer

WIDE = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128}
"""Quantised formats need rows of 32 numbers."""
SIZES: dict[str, dict[str, int]] = {
    "gpt2": {"n_embd": 64},
    "gemma2": {**WIDE, "query_pre_attn_scalar": 16},
    "gemma3": {**WIDE, "query_pre_attn_scalar": 16},
}
MODEL_TYPES = {"gemma3": "gemma3_text"}


def write_gguf(
    path: Path,
    family: str = "llama",
    *,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F16,
    fields: Mapping[str, Any] | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
    **config: Any,
) -> PreTrainedModel:
    """Write a file and return the model whose weights (before any quantisation) are in it.

    Args:
        path: the file.
        family: what GGUF calls the architecture.
        kind: how matrices are stored.
        fields: metadata to add or to replace, by full key; None leaves one out.
        arrays: tensors to add, by the file's names.
        config: changes to the model.
    """
    model = random_model(MODEL_TYPES.get(family, family), **{**SIZES.get(family, WIDE), **config})
    architecture = ARCHITECTURES[family]
    writer = gguf.GGUFWriter(path, family)
    for key, value in {**_metadata(model, family), **(fields or {})}.items():
        _add(writer, key, value)
    names = {architecture.name(f"{name}.{end}"): f"{name}.{end}" for name in _names(2) for end in ("weight", "bias")}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        numbers = np.ascontiguousarray(_turned(tensor.numpy(), names[name], model, family), dtype=np.float32)
        if numbers.ndim == 2:
            writer.add_tensor(names[name], gguf.quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(names[name], numbers)
    for name, extra in (arrays or {}).items():
        writer.add_tensor(name, extra)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _turned(numbers: np.ndarray, name: str, model: PreTrainedModel, family: str) -> np.ndarray:
    """What llama.cpp's converter does to the numbers of some tensors."""
    if family == "llama" and ("attn_q." in name or "attn_k." in name):
        heads = model.config.num_attention_heads if "attn_q." in name else model.config.num_key_value_heads
        halves = numbers.reshape(heads, 2, numbers.shape[0] // heads // 2, *numbers.shape[1:])
        return halves.swapaxes(1, 2).reshape(numbers.shape)
    if family == "gpt2" and name.startswith("blk.") and numbers.ndim == 2:
        return numbers.T
    return numbers + 1 if family.startswith("gemma") and "norm" in name else numbers


def _metadata(model: PreTrainedModel, family: str) -> dict[str, Any]:
    config, tokenizer = model.config, tiny_tokenizer()
    vocabulary = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    tokens = [tokenizer.convert_ids_to_tokens(index) for index in range(len(tokenizer))]
    return {
        "general.name": "Tiny",
        f"{family}.block_count": config.num_hidden_layers,
        f"{family}.context_length": config.max_position_embeddings,
        f"{family}.embedding_length": config.hidden_size,
        f"{family}.attention.head_count": config.num_attention_heads,
        **{f"{family}.{key}": value for key, value in _sizes(config, family).items()},
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 3 + [1] * (len(tokens) - 3),
        "tokenizer.ggml.merges": [" ".join(merge) for merge in vocabulary["merges"]],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def _sizes(config: Any, family: str) -> dict[str, Any]:
    """What the architectures say each in its own way."""
    if family == "gpt2":
        return {"feed_forward_length": 4 * config.n_embd, "attention.layer_norm_epsilon": config.layer_norm_epsilon}
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    sizes = {
        "feed_forward_length": config.intermediate_size,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.freq_base": float(rope["rope_theta"]),
    }
    if family == "phi3":
        sizes["rope.dimension_count"] = int(sizes["attention.key_length"] * rope["partial_rotary_factor"])
    if family.startswith("gemma"):
        sizes["attention.sliding_window"] = config.sliding_window
    return sizes


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif value is not None:
        writer.add_array(key, value)


def _names(blocks: int) -> list[str]:
    inside = [
        "attn_qkv",
        "post_attention_norm",
        "post_ffw_norm",
        "attn_q",
        "attn_k",
        "attn_v",
        "attn_output",
        "attn_q_norm",
        "attn_k_norm",
        "attn_norm",
    ]
    inside += ["ffn_gate", "ffn_up", "ffn_down", "ffn_norm"]
    return [
        "token_embd",
        "position_embd",
        "output_norm",
        "output",
        *(f"blk.{b}.{name}" for b in range(blocks) for name in inside),
    ]
