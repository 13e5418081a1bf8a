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
from transformers import AutoConfig, AutoModelForCausalLM

from core.adapters.attach import Adapters
from core.errors import UserError
from core.export import merged, shards
from core.export.gguf_metadata import INSTEAD, describe, frequencies
from core.export.keys import module_keys
from core.export.merged import Change, Onto
from core.export.shards import Stored
from core.home import Home
from core.models.families import family_of
from core.models.gguf import convert
from core.models.gguf_names import ARCHITECTURES, Architecture
from core.models.info import ModelInfo
from core.saying import Say

if TYPE_CHECKING:
    from gguf import GGUFWriter

WRITTEN = {
    "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma2": "gemma2",
    "gemma3_text": "gemma3", "phi3": "phi3", "gpt2": "gpt2",
}  # fmt: skip
"""`model_type` to GGUF's name of the architecture, for those whose metadata are complete as `describe` writes them."""
PRECISIONS = ("F16", "BF16", "Q8_0")
BITS = {"F16": 16, "BF16": 16, "Q8_0": 8.5}
Q8_WIDTH = 32
"""Numbers that share a scale in Q8_0; a row that is no multiple of it is written in F16."""
TABLES = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")
"""Masks and waves that old files hold, and every program works out by itself."""
FLOAT32 = ("position_embd.weight",)
"""Matrices that llama.cpp wants in float32."""


@dataclass(frozen=True)
class Planned:
    """One tensor of the file: its name there, what it is made from, its GGUF type, and what is done to it."""

    name: str
    stored: Stored
    kind: str
    change: Change | None
    turned: bool = False
    """Whether the model's files hold it the other way."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As it stands in the file."""
        return self.stored.shape[::-1] if self.turned else self.stored.shape


def write(
    adapters: Adapters,
    info: ModelInfo,
    folder: Path,
    *,
    name: str,
    base: str,
    precision: str,
    progress: Say,
    onto: Onto = "trained",
    template: str = "",
) -> str:
    """Write the merged model into an existing folder.

    Args:
        adapters: from `open_adapter`.
        info: the base model, a folder.
        folder: where to.
        name: what the model is called in the file and in the file's name.
        base: what the base model is called.
        precision: one of `PRECISIONS`.
        progress: told what is going on; may raise to end the job.
        onto: as in `merged.write`.
        template: the chat template that was trained with; empty takes the base model's.

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
    describe(writer, given, config, info, name=name, base=base, precision=precision, template=template)
    slowed = frequencies(config, info)
    if slowed is not None:
        writer.add_tensor_info("rope_freqs.weight", slowed.shape, slowed.dtype, slowed.nbytes)
    for tensor in planned:
        _announce(writer, tensor)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if slowed is not None:
            writer.write_tensor_data(slowed)
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
    if info.model_type in WRITTEN:
        return WRITTEN[info.model_type], ARCHITECTURES[WRITTEN[info.model_type]]
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
    conv1d = family_of(info.model_type).kind == "conv1d"
    owners = {key.removesuffix(".weight"): name for name, key in module_keys(tensors, info.model_type).items()}
    for key, stored in tensors.items():
        owner, _, last = key.rpartition(".")
        if key.endswith(TABLES):
            continue
        name = gguf_name(f"{owners.get(owner, owner)}.{last}", architecture)
        if name is None:
            raise UserError(f"{info.name} holds {key}, which GGUF has no name for here.", hint=INSTEAD)
        turned = conv1d and name.startswith("blk.") and len(stored.shape) == 2
        kind = _kind(name, stored.shape[::-1] if turned else stored.shape, precision)
        yield Planned(name, stored, kind, changed.get(key), turned)


def gguf_name(name: str, architecture: Architecture) -> str | None:
    """`model.layers.3.mlp.up_proj.weight` to `blk.3.ffn_up.weight`."""
    stem, _, last = name.rpartition(".")
    outside = {theirs: ours for ours, theirs in architecture.outside.items()}
    if stem in outside:
        return f"{outside[stem]}.{last}"
    found = re.match(rf"^{re.escape(architecture.blocks)}\.(\d+)\.(.+)$", stem)
    inside = {theirs: ours for ours, theirs in architecture.inside.items()}
    return f"blk.{found[1]}.{inside[found[2]]}.{last}" if found and found[2] in inside else None


def _kind(name: str, shape: tuple[int, ...], precision: str) -> str:
    if len(shape) < 2 or name in FLOAT32:
        return "F32"
    return "F16" if precision == "Q8_0" and shape[-1] % Q8_WIDTH else precision


def _announce(writer: GGUFWriter, tensor: Planned) -> None:
    """Say in the header what will be written."""
    import gguf

    kind = gguf.GGMLQuantizationType[tensor.kind]
    shape = tensor.shape
    if tensor.kind in ("F32", "F16"):
        dtype = np.dtype(np.float32 if tensor.kind == "F32" else np.float16)
        writer.add_tensor_info(tensor.name, shape, dtype, torch.Size(shape).numel() * dtype.itemsize)
        return
    in_bytes = gguf.quant_shape_to_byte_shape(shape, kind)
    writer.add_tensor_info(tensor.name, in_bytes, np.dtype(np.uint8), torch.Size(in_bytes).numel(), raw_dtype=kind)


def numbers(tensor: Planned, config: Any, architecture: Architecture) -> np.ndarray:
    """One tensor as it stands in the file: merged in float32, put in llama.cpp's order, rounded once.

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
    if part.endswith("norm"):
        weight = weight + architecture.norm_offset
    if tensor.turned:
        weight = weight.T
    if tensor.kind == "F16" and float(weight.abs().max()) > np.finfo(np.float16).max:
        raise UserError(f"{tensor.name} has numbers that float16 cannot hold.", hint="Choose the precision BF16.")
    whole = np.ascontiguousarray(weight.numpy())
    rounded: np.ndarray = gguf.quantize(whole, gguf.GGMLQuantizationType[tensor.kind])
    return rounded


def rotate(weight: Tensor, heads: int) -> Tensor:
    """Put the halves of each rotated pair side by side, as llama.cpp has them; the inverse of reading.

    Rows (heads, 2, head_dim / 2) become (heads, head_dim / 2, 2); weights (rows, in) and biases (rows,) alike.
    """
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def plain(name: str) -> str:
    """A name in letters that every file system takes; empty where none is left of it."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")


def file_name(name: str, parameters: int, precision: str) -> str:
    """`<name>-<SIZE>-<QUANT>.gguf`."""
    import gguf

    return f"{plain(name) or 'model'}-{gguf.model_weight_count_rounded_notation(parameters)}-{precision}.gguf"


def size(info: ModelInfo, precision: str) -> int:
    """Bytes that the file will take, its lists of tokens included."""
    architecture_of(info, precision)
    return int(info.parameters * BITS[precision] / 8) + info.vocabulary * 64


def open_written(folder: Path) -> nn.Module:
    """The model of the GGUF file in `folder` in float32 on the CPU, read back through this program's own reader."""
    (file,) = folder.glob("*.gguf")
    # Beside the file, where there is room for a model: the usual place often is held in memory.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".", suffix=".part", ignore_cleanup_errors=True) as name:
        opened: nn.Module = AutoModelForCausalLM.from_pretrained(
            convert(Home(Path(name)), file), dtype=torch.float32, local_files_only=True
        )
        return opened
