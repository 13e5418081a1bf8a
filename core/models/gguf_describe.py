"""Describe a GGUF file from its header: the same `ModelInfo` that its folder will give once it has been converted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.models.families import family_of
from core.models.folder import layers_of, notes_of, number, shape_of
from core.models.gguf_header import TYPES, GgufHeader, read_gguf
from core.models.gguf_names import Architecture, architecture_of
from core.models.info import ModelInfo
from core.models.vectors import vectors_of

ALMOST_EXACT = ("F32", "F16", "BF16")


def describe_gguf(path: Path) -> ModelInfo:
    """What stands in a GGUF file.

    Raises:
        UserError: it is no whole GGUF file, or of an architecture that cannot be converted.
    """
    header = read_gguf(path)
    if header.fields.get("general.type") == "adapter":
        raise UserError(f"{path} holds an adapter, not a model.", hint="Choose the model that it was trained on.")
    architecture = architecture_of(header.architecture, str(path))
    family = family_of(architecture.model_type)
    shapes = shapes_of(header, architecture)
    tied = "output.weight" not in header.tensors
    layers = layers_of(family, shapes, tied=tied)
    weights = dtype_of(header)
    experts = number(header.fields, f"{header.architecture}.expert_count")
    if experts:
        raise UserError(
            f"{path} holds a mixture of {experts} experts, which cannot be converted from a GGUF file.",
            hint="Choose its original folder instead.",
        )
    return ModelInfo(
        path=path,
        name=path.stem,
        architecture=architecture.model_class,
        model_type=architecture.model_type,
        family=family.name,
        layers=layers,
        parameters=sum(tensor.numel for name, tensor in header.tensors.items() if architecture.name(name)),
        bytes=sum(tensor.bytes for tensor in header.tensors.values()),
        dtype=weights,
        tied=tied,
        has_chat_template="tokenizer.chat_template" in header.fields,
        kind="gguf",
        notes=(*notes_of(layers, 0, family, path=path), _note(weights)),
        vectors=vectors_of(family, shapes),
        **shape_of(_config(header), layers),
    )


def shapes_of(header: GgufHeader, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Tensor names of transformers to shapes as transformers stores them (GPT-2's matrices lie the other way)."""
    conv1d = family_of(architecture.model_type).kind == "conv1d"
    shapes = {}
    for given, tensor in header.tensors.items():
        name = architecture.name(given)
        if name:
            turned = conv1d and given.startswith("blk.") and len(tensor.shape) == 2
            shapes[name] = tensor.shape[::-1] if turned else tensor.shape
    return shapes


def dtype_of(header: GgufHeader) -> str:
    """The type that most of the numbers are stored as."""
    count: Counter[int] = Counter()
    for tensor in header.tensors.values():
        count[tensor.type] += tensor.numel
    return TYPES[count.most_common(1)[0][0]][0] if count else ""


def _note(weights: str) -> str:
    if weights in ALMOST_EXACT:
        return "A GGUF file: it is turned into a folder once, before the first training."
    return f"A GGUF file of {weights} weights: de-quantised into a folder once, which is not the original checkpoint."


def _config(header: GgufHeader) -> dict[str, Any]:
    """The shape of the model in the spelling of config.json."""
    return {
        "hidden_size": header.of("embedding_length"),
        "num_hidden_layers": header.of("block_count"),
        "num_attention_heads": header.of("attention.head_count"),
        "num_key_value_heads": header.of("attention.head_count_kv"),
        "head_dim": header.of("attention.key_length"),
        "intermediate_size": header.of("feed_forward_length"),
        "max_position_embeddings": header.of("context_length"),
    }
