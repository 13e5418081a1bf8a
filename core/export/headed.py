"""What an export needs beside the adapter where the model judges texts: the head that was trained with it.

A merged folder must open as a model that judges, so its weights have the names of one: the source may have left the
base's prefix out, and may hold a head for writing, which is left behind.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from core.adapters.attach import Adapters
from core.export import shards
from core.export.shards import Stored
from core.models.families import family_of
from core.models.info import ModelInfo
from core.models.judging import settings
from core.models.load import load_tokenizer

HEAD_FILE = ".head.safetensors"


def renamed(tensors: dict[str, Stored], model_type: str) -> dict[str, str]:
    """The source's keys that belong to the body, to their names in a model that judges."""
    family = family_of(model_type)
    split = {key: key.rpartition(".") for key in tensors}
    whole = {key: family.module_name(place, bare=False) for key, (place, _, _) in split.items()}
    bare = family.is_bare(list(whole.values()))
    found = {key: f"{family.module_name(whole[key], bare=bare)}.{split[key][2]}" for key in tensors}
    return {key: name for key, name in found.items() if name.startswith(tuple(f"{base}." for base in family.base))}


def head_tensors(adapters: Adapters, folder: Path) -> dict[str, Stored]:
    """The head as tensors on the disk: written into the folder, to be taken from there into the export."""
    file = folder / HEAD_FILE
    save_file({name: tensor.detach().contiguous() for name, tensor in adapters.head.items()}, file)
    return {tensor.key: tensor for tensor in shards.places(file)}


def under_names(tensors: dict[str, Stored], names: dict[str, str]) -> dict[str, Stored]:
    """The tensors under other names, those without one left out."""
    return {name: replace(tensors[key], key=name) for key, name in names.items()}


def configure(adapters: Adapters, info: ModelInfo, folder: Path) -> None:
    """Let the folder's configuration say that its model judges, and what."""
    (folder / HEAD_FILE).unlink()
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= settings(adapters.labels)
    kind = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES.get(info.model_type)
    config["architectures"] = [kind] if isinstance(kind, str) else config.get("architectures", [])
    config["pad_token_id"] = load_tokenizer(info.path).pad_token_id
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
