"""What a GGUF file says of its model besides the numbers: sizes, positions, windows, tokens.

Programs that read the file take for granted what has no field (which blocks see a window, by what attention is scaled);
a model that differs from that is refused rather than written as another one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import GenerationConfig

from core.errors import UserError
from core.export import gguf_vocabulary
from core.models.gguf_config import BLOCKS_OF_27B, LLAMA3_CONTEXT, LLAMA3_HIGH, LLAMA3_LOW, llama3_frequencies
from core.models.info import ModelInfo
from core.models.load import load_tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter

INSTEAD = "Export a merged model instead; llama.cpp's own converter may know more."
WINDOWS = {"gemma2": 2, "gemma3": 6}
"""Of so many blocks in a row, the last one sees everything; the others see a window."""


def describe(
    writer: GGUFWriter,
    given: str,
    config: Any,
    info: ModelInfo,
    *,
    name: str,
    base: str,
    precision: str,
    template: str = "",
) -> None:
    """Write everything in the file that is not a tensor.

    Args:
        writer: whose header is being put together.
        given: GGUF's name of the architecture.
        config: of the base model.
        info: the base model, a folder.
        name: what the model is called.
        base: what the base model is called.
        precision: what matrices are stored as.
        template: the chat template; empty takes the tokenizer's own.

    Raises:
        UserError: the model has something that GGUF cannot say here.
    """
    import gguf

    writer.add_type("model")
    writer.add_size_label(gguf.model_weight_count_rounded_notation(info.parameters))
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{precision}"])
    writer.add_vocab_size(info.vocabulary)
    introduce(writer, name=name, base=base)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    if given == "gpt2":
        writer.add_feed_forward_length(config.n_inner or 4 * config.hidden_size)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        _describe_llama(writer, config, info)
    if given in _OWN:
        _OWN[given](writer, config, info)
    tokenizer = load_tokenizer(info.path)
    ends = _ends(info.path, config, tokenizer.eos_token_id)
    gguf_vocabulary.write(writer, tokenizer, folder=info.path, size=info.vocabulary, ends=ends, template=template)


def introduce(writer: GGUFWriter, *, name: str, base: str) -> None:
    """What programs show of a model or an adapter in their lists."""
    import gguf

    writer.add_name(name)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, base)
    writer.add_tags(["rankloom"])


def _describe_llama(writer: GGUFWriter, config: Any, info: ModelInfo) -> None:
    """What the Llama shape has, whatever it is called."""
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(info.head_dim)
    writer.add_value_length(info.head_dim)
    rope = _rope(config)
    writer.add_rope_dimension_count(int(info.head_dim * rope.get("partial_rotary_factor", 1.0)))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    _describe_positions(writer, rope, info)


def _describe_positions(writer: GGUFWriter, rope: dict[str, Any], info: ModelInfo) -> None:
    import gguf

    writer.add_rope_freq_base(rope["rope_theta"])
    kind = rope.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType[kind.upper()])
        writer.add_rope_scaling_factor(rope["factor"])
        if kind == "yarn":
            writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    elif kind not in ("default", "llama3"):
        raise UserError(
            f"{info.name} stretches positions in the way '{kind}', which is not written here.", hint=INSTEAD
        )


def _rope(config: Any) -> dict[str, Any]:
    """How positions turn queries and keys; of the blocks that see everything, where there are two kinds."""
    rope: dict[str, Any] = config.rope_parameters
    everything: dict[str, Any] = rope.get("full_attention", rope)
    return everything


def _phi3(writer: GGUFWriter, config: Any, info: ModelInfo) -> None:
    writer.add_sliding_window(config.sliding_window or 0)


def _gemma2(writer: GGUFWriter, config: Any, info: ModelInfo) -> None:
    _refuse_other_gemma(config, info, "gemma2")
    writer.add_sliding_window(config.sliding_window)
    writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    writer.add_final_logit_softcapping(config.final_logit_softcapping)


def _gemma3(writer: GGUFWriter, config: Any, info: ModelInfo) -> None:
    _refuse_other_gemma(config, info, "gemma3")
    writer.add_sliding_window(config.sliding_window)
    writer.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])


_OWN: dict[str, Callable[[Any, Any, ModelInfo], None]] = {"phi3": _phi3, "gemma2": _gemma2, "gemma3": _gemma3}
"""What an architecture says beyond the Llama shape."""


def _refuse_other_gemma(config: Any, info: ModelInfo, given: str) -> None:
    """Windows and the scale of attention have no field: they must be as they are in every Gemma of this kind."""
    every, blocks = WINDOWS[given], config.num_hidden_layers
    usual = ["sliding_attention" if (block + 1) % every else "full_attention" for block in range(blocks)]
    wide = blocks == BLOCKS_OF_27B[given]
    scale = config.hidden_size // config.num_attention_heads if wide else info.head_dim
    if list(config.layer_types) != usual or config.query_pre_attn_scalar != scale:
        raise UserError(f"{info.name} attends unlike every {given.capitalize()}.", hint=INSTEAD)


def frequencies(config: Any, info: ModelInfo) -> np.ndarray | None:
    """Llama 3's factors, (head_dim / 2,); None for everybody else.

    Raises:
        UserError: they are none of Llama 3's.
    """
    rope = _rope(config) if getattr(config, "rope_parameters", None) else {}
    if rope.get("rope_type") != "llama3":
        return None
    usual = (LLAMA3_LOW, LLAMA3_HIGH, LLAMA3_CONTEXT)
    if usual != tuple(rope[key] for key in ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings")):
        raise UserError(f"{info.name} stretches positions unlike every Llama 3.", hint=INSTEAD)
    return llama3_frequencies(rope["rope_theta"], info.head_dim, rope["factor"]).astype(np.float32)


def _ends(folder: Path, config: Any, own: int | None) -> list[int]:
    """The ids that end a text or a turn, the tokenizer's own first."""
    try:
        said = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    except OSError:
        said = config.eos_token_id
    found = said if isinstance(said, list) else [said]
    return list(dict.fromkeys(end for end in [own, *found] if isinstance(end, int)))
