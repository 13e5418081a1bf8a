"""Describe a model's folder from its config.json and the headers of its weights, without torch and in milliseconds."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from core.component import did_you_mean
from core.errors import UserError
from core.layers import LayerInfo
from core.models.families import family_of
from core.models.families.family import Family
from core.models.headers import NAMES, TensorHeader, read_folder
from core.models.info import ModelInfo
from core.models.known import known_model_types
from core.models.order import in_order
from core.models.vectors import vectors_of

_BUFFERS = re.compile(r"(^|\.)(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$|position_ids$")
"""Constants that old checkpoints carry along; no parameters."""


SOURCE = "source.json"
"""In a folder that was made from a GGUF file: what it was made from."""


def describe_folder(folder: Path) -> ModelInfo:
    """What stands in a folder of config.json and safetensors files.

    Raises:
        UserError: it is no model's folder, the model needs a program of its own, or the weights are not whole.
    """
    config = read_config(folder)
    tensors = {name: tensor for name, tensor in read_folder(folder).items() if not _BUFFERS.search(name)}
    family = family_of(config["model_type"])
    text = text_config(config)
    tied = _tied(config, text, family, tensors)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    layers = layers_of(family, shapes, tied=tied)
    layers = _fitting(folder, text, family, layers)
    experts = number(text, "num_experts", "num_local_experts", "n_routed_experts")
    shape = shape_of(text, layers)
    return ModelInfo(
        path=folder,
        name=name_of(folder),
        architecture=_architecture(config),
        model_type=config["model_type"],
        family=family.name,
        layers=layers,
        parameters=sum(tensor.numel for tensor in tensors.values()),
        bytes=sum(tensor.bytes for tensor in tensors.values()),
        dtype=_dtype(tensors.values()),
        tied=tied,
        has_chat_template=_has_chat_template(folder),
        kind="folder",
        writes_text=family.writes_text,
        experts=experts,
        notes=(*notes_of(layers, experts, family, path=folder), *_origin(folder)),
        vectors=vectors_of(family, shapes),
        pooled=any("pooler." in name for name in shapes),
        **shape,
    )


def _architecture(config: Mapping[str, Any]) -> str:
    """The class that the configuration names first; empty where it names none."""
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def _fitting(
    folder: Path, text: Mapping[str, Any], family: Family, layers: tuple[LayerInfo, ...]
) -> tuple[LayerInfo, ...]:
    """The layers that the configuration speaks of: weights behind its last block are never loaded.

    Raises:
        UserError: it speaks of more blocks, or of another vocabulary, than there are weights for.
    """
    blocks = number(text, "num_hidden_layers", "n_layer", "num_layers")
    there = len({layer.block for layer in layers if layer.block is not None})
    embedding = next((layer for layer in layers if layer.role == "embed"), None)
    rows, words = embedding.out_features if embedding else 0, number(text, "vocab_size")
    if not family.guessed:
        if blocks > there or blocks < 0:
            raise _unfit(folder, f"{blocks} blocks", f"{there}")
        if rows and words and rows != words:
            raise _unfit(folder, f"{words:,} tokens", f"{rows:,}")
    return tuple(layer for layer in layers if layer.block is None or not 0 < blocks <= layer.block)


def _unfit(folder: Path, said: str, there: str) -> UserError:
    text = f"config.json and weights in {folder} do not fit: it speaks of {said}, and they hold {there}."
    return UserError(text, hint="Download the model again, all of its files together.")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json, checked for what this program cannot open.

    Raises:
        UserError: it is missing, unreadable, of an unknown architecture, quantised, or needs code of its own.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(_no_config(folder), hint=_no_config_hint(folder))
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not readable JSON: {error}.", hint="Download the model again.") from None
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise UserError(f"{path} does not say which architecture this is: it has no model_type.")
    _check_architecture(folder, config)
    if isinstance(config.get("quantization_config"), dict):
        how = config["quantization_config"].get("quant_method", "an unknown method")
        raise UserError(
            f"The weights in {folder} are already quantised ({how}); nothing can be merged into such weights.",
            hint="Choose the original model, or a GGUF of it: Rankloom quantises while it loads.",
        )
    return config


def _no_config(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        return f"{folder} holds an adapter, not a model."
    if not any(folder.iterdir()):
        return f"{folder} is empty."
    return f"{folder} is no model's folder: there is no config.json in it."


def _no_config_hint(folder: Path) -> str:
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        try:
            base = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path")
        except (OSError, ValueError, AttributeError):
            base = None
        return f"Choose the model it was trained on{f': {base}' if base else ''}."
    if any(folder.glob("*.gguf")):
        return "There is a GGUF file in it: choose that file itself."
    return "Choose the folder that holds config.json and the *.safetensors files."


def _check_architecture(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse what only a program from the internet, or a newer library, could open."""
    model_type = config["model_type"]
    known = known_model_types()
    if model_type in known:
        return
    if config.get("auto_map"):
        raise UserError(
            f"The model in {folder} ({model_type}) needs a program of its own to be opened, which is never run here.",
            hint="Choose a model whose architecture is part of transformers.",
        )
    near = did_you_mean(model_type, known).split(" There are:")[0]
    raise UserError(
        f"The architecture '{model_type}' of {folder} is not one that the installed transformers knows.",
        hint=near if near.startswith("Did") else "The model may be newer than this program.",
    )


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a config that speaks of the language model; in a model that sees as well it is a part of its own."""
    inner = config.get("text_config")
    return {**config, **inner} if isinstance(inner, dict) else config


def layers_of(family: Family, shapes: Mapping[str, tuple[int, ...]], *, tied: bool) -> tuple[LayerInfo, ...]:
    """The layers of a checkpoint: tensor name to shape as stored, in; one order for everybody, out."""
    weights = {name.removesuffix(".weight"): shape for name, shape in shapes.items() if name.endswith(".weight")}
    renamed = {family.module_name(name, bare=False): shape for name, shape in weights.items()}
    bare = family.is_bare(list(renamed))
    found = {}
    for name, shape in renamed.items():
        layer = _layer(family, family.module_name(name, bare=bare), shape)
        if layer:
            found[layer.name] = layer
    embedding = next((layer for layer in found.values() if layer.role == "embed"), None)
    if embedding and (tied or not family.writes_text) and not any(layer.role == "head" for layer in found.values()):
        rows, columns = embedding.out_features, embedding.in_features
        found[family.head[0]] = LayerInfo(family.head[0], "head", None, rows, columns)
    return in_order(found.values())


def _layer(family: Family, name: str, shape: tuple[int, ...]) -> LayerInfo | None:
    """One matrix, if it is one and the family places it."""
    place = family.place(name) if len(shape) == 2 else None
    if place is None:
        return None
    if place.embedding:
        return LayerInfo(name, place.role, place.block, shape[0], shape[1], "embedding")
    if family.kind == "conv1d" and place.block is not None:
        return LayerInfo(name, place.role, place.block, shape[1], shape[0], "conv1d")
    return LayerInfo(name, place.role, place.block, shape[0], shape[1])


def _tied(
    config: Mapping[str, Any], text: Mapping[str, Any], family: Family, tensors: Mapping[str, TensorHeader]
) -> bool:
    """What the config says; where it says nothing, a file without a head must mean a tied one."""
    said = config.get("tie_word_embeddings", text.get("tie_word_embeddings"))
    if isinstance(said, bool):
        return said
    return not any(family.module_name(name.removesuffix(".weight"), bare=False) in family.head for name in tensors)


def _dtype(tensors: Iterable[TensorHeader]) -> str:
    """The dtype of most numbers."""
    count: Counter[str] = Counter()
    for tensor in tensors:
        count[tensor.dtype] += tensor.numel
    most = count.most_common(1)[0][0] if count else ""
    return NAMES.get(most, most)


def _has_chat_template(folder: Path) -> bool:
    """In a file of its own, or inside tokenizer_config.json."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template"))
    except (OSError, ValueError, AttributeError):
        return False


def name_of(folder: Path) -> str:
    """The folder's name; of a converted GGUF file that file's, of a snapshot in the hub cache the model's."""
    source = read_source(folder).get("file")
    if source:
        return Path(str(source)).stem
    for parent in (folder, *folder.parents[:2]):
        if parent.name.startswith("models--"):
            return parent.name.removeprefix("models--").replace("--", "/")
    return folder.resolve().name


def read_source(folder: Path) -> dict[str, Any]:
    """What a converted folder says of the GGUF file it was made from; empty for any other folder."""
    try:
        value = json.loads((folder / SOURCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _origin(folder: Path) -> tuple[str, ...]:
    """The note on a converted folder whose weights were quantised."""
    source = read_source(folder)
    if source.get("exact", True) or not {"file", "weights"} <= source.keys():
        return ()
    return (f"De-quantised from {source['file']} ({source['weights']}): not the original checkpoint.",)


def number(config: Mapping[str, Any], *names: str) -> int:
    """The first of several spellings that the config has; 0 where it has none."""
    values = (config.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), 0)


class Shape(TypedDict):
    """The part of a `ModelInfo` that both kinds of files give in the same words."""

    blocks: int
    vocabulary: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    context: int


def shape_of(text: Mapping[str, Any], layers: tuple[LayerInfo, ...]) -> Shape:
    """The numbers that describe the shape of a language model, from whichever spelling its config has."""
    embedding = next((layer for layer in layers if layer.role == "embed"), None)
    hidden = number(text, "hidden_size", "n_embd", "d_model") or (embedding.in_features if embedding else 0)
    heads = number(text, "num_attention_heads", "n_head", "num_heads")
    blocks = {layer.block for layer in layers if layer.block is not None}
    inner = next((layer.in_features for layer in layers if layer.role in ("down", "fc2")), 0)
    return {
        "blocks": number(text, "num_hidden_layers", "n_layer", "num_layers") or len(blocks),
        "vocabulary": embedding.out_features if embedding else number(text, "vocab_size"),
        "hidden": hidden,
        "heads": heads,
        "kv_heads": number(text, "num_key_value_heads", "multi_query_group_num") or heads,
        "head_dim": number(text, "head_dim") or (hidden // heads if heads else 0),
        "intermediate": number(text, "intermediate_size", "n_inner", "ffn_dim") or inner,
        "context": number(text, "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"),
    }


def notes_of(layers: tuple[LayerInfo, ...], experts: int, family: Family, *, path: Path) -> tuple[str, ...]:
    """What the user should know beside the map.

    Raises:
        UserError: there is nothing that an adapter could sit on.
    """
    if not any(layer.adaptable for layer in layers):
        raise UserError(f"There is no linear layer in {path} that an adapter could sit on.")
    notes = []
    if experts:
        notes.append(f"A mixture of {experts} experts: the experts stay as they are, everything else can be adapted.")
    if not family.writes_text:
        notes.append(f"A {family.name} model reads texts and does not continue them.")
    if family.guessed:
        notes.append("An architecture without a table of names: the columns of the map are guessed.")
    return tuple(notes)
