"""The merged model as one GGUF file, for llama.cpp, Ollama and LM Studio.

Written a tensor at a time, as `merged` does it, for architectures whose names and layout
`core.models` knows: what is written here is read back there, and a test compares every number. Vectors (norms, biases)
stay float32, as llama.cpp wants them; matrices take the precision asked for.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from core.adapters.attach import Adapters
from core.errors import UserError
from core.export import gguf_vocabulary, merged, shards
from core.export.keys import module_keys
from core.export.merged import Change, Onto, Progress
from core.export.shards import Stored
from core.home import Home
from core.models.gguf import convert
from core.models.gguf_config import LLAMA3_CONTEXT, LLAMA3_HIGH, LLAMA3_LOW, llama3_frequencies
from core.models.gguf_names import ARCHITECTURES, Architecture
from core.models.info import ModelInfo
from core.models.load import load_tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter

WRITTEN = ("llama", "qwen2", "qwen3")
"""Architectures whose metadata are complete as `describe` writes them."""
PRECISIONS = ("F16", "BF16", "Q8_0")
BITS = {"F16": 16, "BF16": 16, "Q8_0": 8.5}
Q8_WIDTH = 32
"""Numbers that share a scale in Q8_0; a row that is no multiple of it is written in F16."""
INSTEAD = "Export a merged model instead; llama.cpp's own converter may know more."


@dataclass(frozen=True)
class Planned:
    """One tensor of the file: its name there, what it is made from, its GGUF type, and what is done to it."""

    name: str
    stored: Stored
    kind: str
    change: Change | None


def write(
    adapters: Adapters,
    info: ModelInfo,
    folder: Path,
    *,
    name: str,
    precision: str,
    progress: Progress,
    onto: Onto = "trained",
) -> str:
    """Write the merged model into an existing folder.

    Args:
        adapters: from `open_adapter`.
        info: the base model, a folder.
        folder: where to.
        name: what the model is called in the file and in the file's name.
        precision: one of `PRECISIONS`.
        progress: told what is going on; may raise to end the job.
        onto: as in `merged.write`.

    Returns:
        the file's name, such as `my-run-135M-F16.gguf`.

    Raises:
        UserError: the architecture, its tokenizer or its positions cannot be said in GGUF here.
    """
    import gguf

    given, architecture = architecture_of(info, precision)
    planned = list(plan(adapters, info, architecture, precision, onto=onto))
    file = file_name(name, info.parameters, precision)
    writer = gguf.GGUFWriter(folder / file, given)
    config = AutoConfig.from_pretrained(info.path, local_files_only=True)
    describe(writer, config, info, name=name, precision=precision)
    frequencies = _frequencies(config, info)
    if frequencies is not None:
        writer.add_tensor_info("rope_freqs.weight", frequencies.shape, frequencies.dtype, frequencies.nbytes)
    for tensor in planned:
        _announce(writer, tensor)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if frequencies is not None:
            writer.write_tensor_data(frequencies)
        for index, tensor in enumerate(planned):
            progress(f"Writing {tensor.name}", index / len(planned))
            writer.write_tensor_data(numbers(tensor, config, architecture))
    finally:
        writer.close()
    return file


def architecture_of(info: ModelInfo, precision: str) -> tuple[str, Architecture]:
    """GGUF's name of the model's architecture, and its row.

    Raises:
        UserError: it is not written here, or the precision does not exist.
    """
    if precision not in PRECISIONS:
        raise UserError(f"There is no precision '{precision}' for GGUF.", hint=f"There are: {', '.join(PRECISIONS)}.")
    for name in WRITTEN:
        if ARCHITECTURES[name].model_type == info.model_type:
            return name, ARCHITECTURES[name]
    written = ", ".join(WRITTEN)
    raise UserError(
        f"{info.name} is of the architecture '{info.model_type}', which is not written as GGUF here (only {written}).",
        hint=INSTEAD,
    )


def plan(
    adapters: Adapters, info: ModelInfo, architecture: Architecture, precision: str, *, onto: Onto = "trained"
) -> Iterator[Planned]:
    """Every tensor of the file, in the order of the model's files.

    Raises:
        UserError: the model has a tensor that GGUF has no name for.
    """
    tensors = shards.stored_tensors(info.path)
    if info.tied:
        merged.refuse_tied(adapters, info.layers)
        tensors.pop("lm_head.weight", None)
    changed = merged.changes(adapters, info, tensors, onto=onto)
    module_names = {key: f"{name}.weight" for name, key in module_keys(tensors, info.model_type).items()}
    for key, stored in tensors.items():
        name = gguf_name(module_names.get(key, key), architecture)
        if name is None:
            raise UserError(f"{info.name} holds {key}, which GGUF has no name for here.", hint=INSTEAD)
        yield Planned(name, stored, _kind(stored, precision), changed.get(key))


def gguf_name(name: str, architecture: Architecture) -> str | None:
    """`model.layers.3.mlp.up_proj.weight` to `blk.3.ffn_up.weight`."""
    stem, _, last = name.rpartition(".")
    outside = {theirs: ours for ours, theirs in architecture.outside.items()}
    if stem in outside:
        return f"{outside[stem]}.{last}"
    found = re.match(rf"^{re.escape(architecture.blocks)}\.(\d+)\.(.+)$", stem)
    inside = {theirs: ours for ours, theirs in architecture.inside.items()}
    return f"blk.{found[1]}.{inside[found[2]]}.{last}" if found and found[2] in inside else None


def _kind(stored: Stored, precision: str) -> str:
    if len(stored.shape) < 2:
        return "F32"
    return "F16" if precision == "Q8_0" and stored.shape[-1] % Q8_WIDTH else precision


def _announce(writer: GGUFWriter, tensor: Planned) -> None:
    """Say in the header what will be written."""
    import gguf

    kind = gguf.GGMLQuantizationType[tensor.kind]
    shape = tensor.stored.shape
    if tensor.kind in ("F32", "F16"):
        dtype = np.dtype(np.float32 if tensor.kind == "F32" else np.float16)
        writer.add_tensor_info(tensor.name, shape, dtype, torch.Size(shape).numel() * dtype.itemsize)
        return
    in_bytes = gguf.quant_shape_to_byte_shape(shape, kind)
    writer.add_tensor_info(tensor.name, in_bytes, np.dtype(np.uint8), torch.Size(in_bytes).numel(), raw_dtype=kind)


def numbers(tensor: Planned, config: Any, architecture: Architecture) -> np.ndarray:
    """One tensor as it stands in the file: merged in float32, q and k in llama.cpp's order, rounded once.

    Raises:
        UserError: a number is too large for the precision.
    """
    import gguf

    weight = tensor.stored.read()
    weight = weight.float() if tensor.change is None else tensor.change(weight, torch.float32)
    part = tensor.name.split(".")[-2]
    if architecture.rotated and part in ("attn_q", "attn_k"):
        heads = config.num_attention_heads if part == "attn_q" else config.num_key_value_heads
        weight = rotate(weight, heads)
    if tensor.kind == "F16" and float(weight.abs().max()) > np.finfo(np.float16).max:
        raise UserError(f"{tensor.name} has numbers that float16 cannot hold.", hint="Choose the precision BF16.")
    plain = np.ascontiguousarray(weight.numpy())
    rounded: np.ndarray = gguf.quantize(plain, gguf.GGMLQuantizationType[tensor.kind])
    return rounded


def rotate(weight: Tensor, heads: int) -> Tensor:
    """Put the halves of each rotated pair side by side, as llama.cpp has them; the inverse of reading.

    Rows (heads, 2, head_dim / 2) become (heads, head_dim / 2, 2); weights (rows, in) and biases (rows,) alike.
    """
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def describe(writer: GGUFWriter, config: Any, info: ModelInfo, *, name: str, precision: str) -> None:
    """Write everything in the file that is not a tensor."""
    import gguf

    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{precision}"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(info.vocabulary)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(info.head_dim)
    writer.add_value_length(info.head_dim)
    writer.add_rope_dimension_count(info.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    _describe_positions(writer, config.rope_parameters, info)
    tokenizer = load_tokenizer(info.path)
    ends = _ends(info.path, config, tokenizer.eos_token_id)
    gguf_vocabulary.write(writer, tokenizer, folder=info.path, size=info.vocabulary, ends=ends)


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


def _frequencies(config: Any, info: ModelInfo) -> np.ndarray | None:
    """Llama 3's factors, (head_dim / 2,); None for everybody else."""
    rope = config.rope_parameters
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


def file_name(name: str, parameters: int, precision: str) -> str:
    """`<name>-<SIZE>-<QUANT>.gguf`, in letters that every file system takes."""
    import gguf

    plain = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.") or "model"
    return f"{plain}-{gguf.model_weight_count_rounded_notation(parameters)}-{precision}.gguf"


def size(info: ModelInfo, precision: str) -> int:
    """Bytes that the file will take, its lists of tokens included."""
    architecture_of(info, precision)
    return int(info.parameters * BITS[precision] / 8) + info.vocabulary * 64


def open_written(folder: Path) -> nn.Module:
    """The model of the GGUF file in `folder` in float32 on the CPU, read back through this program's own reader."""
    (file,) = folder.glob("*.gguf")
    with tempfile.TemporaryDirectory() as name:
        opened: nn.Module = AutoModelForCausalLM.from_pretrained(
            convert(Home(Path(name)), file), dtype=torch.float32, local_files_only=True
        )
        return opened
