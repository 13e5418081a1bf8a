"""The base model with the adapter in its weights: a folder that plain `transformers` opens.

The source's files are rewritten tensor by tensor. An adapted weight is read, merged in float32, rounded once to the
type it was stored in, and written; everything else is copied byte for byte. So the memory needed is that of the
largest single weight, whatever the model's size, and keys, types and untouched weights are the source's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from core.adapters.adapted import Adapted
from core.adapters.attach import Adapters
from core.errors import UserError
from core.export import shards
from core.export.keys import module_keys, weight_keys
from core.export.saved import stand_in_weight
from core.export.shards import Stored
from core.layers import LayerInfo
from core.models.headers import INDEX
from core.models.info import ModelInfo

Progress = Callable[[str, float | None], None]

CARRIED_SUFFIXES = (".json", ".txt", ".jinja", ".model", ".tiktoken")
CARRIED_NAMES = ("LICENSE", "NOTICE", "COPYING")
CARRIED_FOLDERS = ("additional_chat_templates",)
LEFT_BEHIND = ("adapter_config.json", "source.json", "trainer_state.json", "training_args.json", INDEX)


def write(
    adapters: Adapters, info: ModelInfo, folder: Path, *, progress: Progress, shard_bytes: int = shards.SHARD_BYTES
) -> None:
    """Write the merged model into an existing folder.

    Args:
        adapters: from `open_adapter`.
        info: the base model, a folder.
        folder: where to.
        progress: told what is going on; may raise to end the job.
        shard_bytes: size at which a new file is begun.

    Raises:
        UserError: a layer's weight is not in the files, or cannot be merged into.
    """
    tensors = shards.stored_tensors(info.path)
    if info.tied:
        refuse_tied(adapters, info.layers)
        drop_written_twice(tensors, info)
    keys = weight_keys([layer.plan for layer in adapters.layers.values()], tensors, info.model_type)
    owners = {keys[name]: layer for name, layer in adapters.layers.items()}
    total = sum(tensor.size for tensor in tensors.values())
    done = 0

    def tick(tensor: Stored) -> None:
        nonlocal done
        progress(f"Merging {tensor.key}" if tensor.key in owners else f"Copying {tensor.key}", done / total)
        done += tensor.size

    files = shards.plan(list(tensors.values()), shard_bytes=shard_bytes)
    shards.write(folder, files, {key: _merger(layer) for key, layer in owners.items()}, tick)
    carry(info.path, folder)


def _merger(layer: Adapted) -> Callable[[Stored], Tensor]:
    return lambda tensor: merge(layer, tensor.read())


def merge(layer: Adapted, stored: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """The merged weight in the layout of the stored one; the sum itself is done in float32 (or float64).

    Args:
        layer: from `open_adapter`.
        stored: the base weight as it stands in the file.
        dtype: what the sum is rounded to, once; None takes the stored type.

    Raises:
        UserError: the sum is too large for that type.
    """
    transposed = layer.plan.layer.kind == "conv1d"
    dtype = dtype or stored.dtype
    working = stored.to(torch.promote_types(stored.dtype, torch.float32))
    # The magnitude may want to look at the base weight itself, which the stand-in cannot tell.
    layer.base.register_parameter("weight", nn.Parameter(working, requires_grad=False))
    layer.constants.clear()
    merged = layer.merged_weight(working.T if transposed else working)
    layer.base.register_parameter("weight", stand_in_weight(layer.plan.layer))
    result = (merged.T if transposed else merged).to(dtype)
    if not torch.isfinite(result).all():
        raise UserError(
            f"Merged, {layer.plan.name} has numbers that {str(dtype).removeprefix('torch.')} cannot hold.",
            hint="Export the adapter instead, or train with a lower alpha or learning rate.",
        )
    return result


def refuse_tied(adapters: Adapters, layers: Sequence[LayerInfo]) -> None:
    """Refuse an adapter on a matrix that is the embedding as well: merging would change both."""
    shared = {layer.name for layer in layers if layer.role in ("embed", "head")}
    for name in adapters.layers:
        if name in shared:
            raise UserError(
                f"{name} is the model's embedding as well as its head: merging an adapter on one would change both.",
                hint="Export the adapter instead, or train without this layer.",
            )


def drop_written_twice(tensors: dict[str, Stored], info: ModelInfo) -> None:
    """Leave out the head where the files hold the embedding's very bytes a second time under its name."""
    keys = module_keys(tensors, info.model_type)
    by_role = {layer.role: tensors.get(keys.get(layer.name, "")) for layer in info.layers}
    embed, head = by_role.get("embed"), by_role.get("head")
    if embed is None or head is None or (embed.dtype, embed.shape) != (head.dtype, head.shape):
        return
    if all(one == other for one, other in zip(embed.chunks(), head.chunks(), strict=True)):
        del tensors[head.key]


def carried_files(source: Path) -> list[Path]:
    """What a model folder holds besides weights and belongs to the model: settings, tokenizer, template, licence."""
    folders = [source / name for name in CARRIED_FOLDERS if (source / name).is_dir()]
    found = []
    for path in (path for folder in [source, *folders] for path in sorted(folder.iterdir())):
        wanted = path.suffix in CARRIED_SUFFIXES or path.stem.upper() in CARRIED_NAMES
        if path.is_file() and wanted and path.name not in LEFT_BEHIND and not path.name.endswith(".index.json"):
            found.append(path)
    return found


def carry(source: Path, folder: Path) -> None:
    """Copy those files; links, as the hub cache has them, become files."""
    for path in carried_files(source):
        target = folder / path.relative_to(source)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)


def size(source: Path) -> int:
    """Bytes that the merged folder will take."""
    weights = sum(tensor.size for tensor in shards.stored_tensors(source).values())
    return weights + sum(path.stat().st_size for path in carried_files(source))
