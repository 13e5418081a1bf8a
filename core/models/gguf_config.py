"""What a GGUF file's metadata amounts to in the spelling of config.json, for the architectures converted here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from core.errors import UserError
from core.models.gguf_header import GgufHeader
from core.models.gguf_names import Architecture
from core.models.gguf_tokenizer import special_ids

LLAMA3_LOW, LLAMA3_HIGH, LLAMA3_CONTEXT = 1.0, 4.0, 8192
"""What every Llama 3 checkpoint has; the file holds only the factors that come out of it."""


BLOCKS_OF_27B = {"gemma2": 46, "gemma3": 62}
"""The largest Gemmas scale their attention by another width than the width of a head; no field of the file says so."""


def config_of(
    header: GgufHeader, architecture: Architecture, *, dtype: str, frequencies: np.ndarray | None
) -> dict[str, Any]:
    """config.json.

    Args:
        header: of the file.
        architecture: its row.
        dtype: what the weights are written as.
        frequencies: the file's `rope_freqs.weight`, (head_dim / 2,), where it has one.

    Raises:
        UserError: a size that every model has is missing, or the positions are stretched in an unknown way.
    """
    shared = {
        "architectures": [architecture.model_class],
        "model_type": architecture.model_type,
        "vocab_size": header.tensors["token_embd.weight"].shape[0],
        "tie_word_embeddings": "output.weight" not in header.tensors,
        "dtype": dtype,
        **special_ids(header),
    }
    if header.architecture == "gpt2":
        return {**shared, **_gpt2(header)}
    config = {**shared, **_llama(header), "rope_parameters": _rope(header, frequencies)}
    return {**config, **_OWN[header.architecture](header, config)} if header.architecture in _OWN else config


def _gpt2(header: GgufHeader) -> dict[str, Any]:
    return {
        "n_embd": _need(header, "embedding_length"),
        "n_layer": _need(header, "block_count"),
        "n_head": _need(header, "attention.head_count"),
        "n_inner": _need(header, "feed_forward_length"),
        "n_positions": _need(header, "context_length"),
        "layer_norm_epsilon": _short(_need(header, "attention.layer_norm_epsilon")),
        "activation_function": "gelu_new",
    }


def _llama(header: GgufHeader) -> dict[str, Any]:
    """What the Llama shape has, whatever it is called."""
    heads = _need(header, "attention.head_count")
    return {
        "hidden_size": _need(header, "embedding_length"),
        "intermediate_size": _need(header, "feed_forward_length"),
        "num_hidden_layers": _need(header, "block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": header.of("attention.head_count_kv", heads),
        "head_dim": head_dim_of(header),
        "hidden_act": "silu",
        "max_position_embeddings": _need(header, "context_length"),
        "rms_norm_eps": _short(_need(header, "attention.layer_norm_rms_epsilon")),
        "attention_bias": "blk.0.attn_q.bias" in header.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in header.tensors,
    }


def _phi3(header: GgufHeader, config: dict[str, Any]) -> dict[str, Any]:
    """A part of every head may be left unturned; some see only the last tokens."""
    share = header.of("rope.dimension_count", config["head_dim"]) / config["head_dim"]
    window = header.of("attention.sliding_window", 0)
    return {
        "rope_parameters": {**config["rope_parameters"], "partial_rotary_factor": share},
        "original_max_position_embeddings": config["max_position_embeddings"],
        "sliding_window": window or None,
    }


def _gemma(header: GgufHeader, config: dict[str, Any]) -> dict[str, Any]:
    """Gemma's activation, its scale of attention and its window."""
    wide = config["num_hidden_layers"] == BLOCKS_OF_27B[header.architecture]
    return {
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": config["hidden_size"] // config["num_attention_heads"] if wide else config["head_dim"],
        "sliding_window": _need(header, "attention.sliding_window"),
    }


def _gemma2(header: GgufHeader, config: dict[str, Any]) -> dict[str, Any]:
    return {
        **_gemma(header, config),
        "attn_logit_softcapping": _short(header.of("attn_logit_softcapping", 50.0)),
        "final_logit_softcapping": _short(header.of("final_logit_softcapping", 30.0)),
    }


def _gemma3(header: GgufHeader, config: dict[str, Any]) -> dict[str, Any]:
    """Blocks that see a window turn faster than those that see everything, and are never stretched."""
    local = {"rope_type": "default", "rope_theta": _short(header.of("rope.freq_base_swa", 10000.0))}
    rope = {"full_attention": config["rope_parameters"], "sliding_attention": local}
    return {**_gemma(header, config), "rope_parameters": rope}


_OWN: dict[str, Callable[[GgufHeader, dict[str, Any]], dict[str, Any]]] = {
    "phi3": _phi3,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
}
"""What an architecture says beyond the Llama shape."""


def head_dim_of(header: GgufHeader) -> int:
    """Width of one attention head: from the rows of q, since not every file says it."""
    heads = _need(header, "attention.head_count")
    q = header.tensors.get("blk.0.attn_q.weight")
    return int((q.shape[0] if q else _need(header, "embedding_length")) // heads)


def _need(header: GgufHeader, key: str) -> Any:
    value = header.of(key)
    if not isinstance(value, int | float):
        raise UserError(f"{header.path} does not say its {header.architecture}.{key}, so its model cannot be built.")
    return value


def _short(value: float) -> float:
    """A float32 as people wrote it: 1e-05 rather than 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def _rope(header: GgufHeader, frequencies: np.ndarray | None) -> dict[str, Any]:
    """How positions turn queries and keys."""
    theta = _short(header.of("rope.freq_base", 10000.0))
    if frequencies is not None:
        return _llama3(header, frequencies, theta)
    kind = header.of("rope.scaling.type", "none")
    factor = header.of("rope.scaling.factor", 1.0)
    if kind == "none" or factor == 1.0:
        return {"rope_type": "default", "rope_theta": theta}
    scaled = {"rope_type": kind, "rope_theta": theta, "factor": _short(factor)}
    if kind == "linear":
        return scaled
    if kind == "yarn":
        return {**scaled, "original_max_position_embeddings": _need(header, "rope.scaling.original_context_length")}
    raise UserError(f"{header.path} stretches positions in the way '{kind}', which is not known here.")


def _llama3(header: GgufHeader, frequencies: np.ndarray, theta: float) -> dict[str, Any]:
    """Llama 3's stretching, found again from its factors and then worked out forwards to make sure."""
    factor = float(frequencies.max())
    rope = {
        "rope_type": "llama3",
        "rope_theta": theta,
        "factor": factor,
        "low_freq_factor": LLAMA3_LOW,
        "high_freq_factor": LLAMA3_HIGH,
        "original_max_position_embeddings": LLAMA3_CONTEXT,
    }
    expected = llama3_frequencies(theta, head_dim_of(header), factor)
    if frequencies.shape != expected.shape or not np.allclose(frequencies, expected, rtol=1e-3):
        raise UserError(
            f"{header.path} stretches positions by factors that are not Llama 3's, so its model cannot be rebuilt.",
            hint="Choose the model's original folder instead.",
        )
    return rope


def llama3_frequencies(theta: float, head_dim: int, factor: float) -> np.ndarray:
    """By what every rotation is slowed: 1 for short waves, `factor` for long ones, in between in between."""
    waves = 2 * math.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    turns = LLAMA3_CONTEXT / waves
    smooth = np.clip((turns - LLAMA3_LOW) / (LLAMA3_HIGH - LLAMA3_LOW), 0, 1)
    slowed: np.ndarray = 1 / ((1 - smooth) / factor + smooth)
    return slowed
