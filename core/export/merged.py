"""The base model with the adapter in its weights: a folder that plain `transformers` opens.

The source's files are rewritten tensor by tensor. An adapted weight is read, merged in float32, rounded once to the
type it was stored in, and written; everything else is copied byte for byte. So the memory needed is that of the
largest single weight, whatever the model's size, and keys, types and untouched weights are the source's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from core.adapters.adapted import Adapted
from core.adapters.attach import Adapters
from core.errors import UserError
from core.export import shards
from core.export.saved import stand_in_weight
from core.export.shards import Stored
from core.layers import LayerInfo, LayerPlan
from core.models.headers import INDEX

Progress = Callable[[str, float | None], None]

CARRIED_SUFFIXES = (".json", ".txt", ".jinja", ".model", ".tiktoken")
CARRIED_NAMES = ("LICENSE", "NOTICE", "COPYING")
CARRIED_FOLDERS = ("additional_chat_templates",)
LEFT_BEHIND = ("adapter_config.json", "trainer_state.json", "training_args.json", INDEX)


def write(
    adapters: Adapters,
    source: Path,
    folder: Path,
    *,
    layers: Iterable[LayerInfo],
    tied: bool,
    progress: Progress,
    shard_bytes: int = shards.SHARD_BYTES,
) -> None:
    """Write the merged model into an existing folder.

    Args:
        adapters: from `open_adapter`.
        source: the base model's folder.
        folder: where to.
        layers: the base model's matrices, embedding and head included.
        tied: whether the model uses one matrix as embedding and head.
        progress: told what is going on; may raise to end the job.
        shard_bytes: size at which a new file is begun.

    Raises:
        UserError: a layer's weight is not in the files, or cannot be merged into.
    """
    tensors = shards.stored_tensors(source)
    layers = list(layers)
    if tied:
        refuse_tied(adapters, layers)
        drop_written_twice(tensors, layers)
    keys = weight_keys([layer.plan for layer in adapters.layers.values()], tensors)
    owners = {keys[name]: layer for name, layer in adapters.layers.items()}
    total = sum(tensor.size for tensor in tensors.values())
    done = 0

    def tick(tensor: Stored) -> None:
        nonlocal done
        progress(f"Merging {tensor.key}" if tensor.key in owners else f"Copying {tensor.key}", done / total)
        done += tensor.size

    files = shards.plan(list(tensors.values()), shard_bytes=shard_bytes)
    shards.write(folder, files, {key: _merger(layer) for key, layer in owners.items()}, tick)
    carry(source, folder)


def _merger(layer: Adapted) -> Callable[[Stored], Tensor]:
    return lambda tensor: merge(layer, tensor.read())


def merge(layer: Adapted, stored: Tensor) -> Tensor:
    """The merged weight in the layout and type of the stored one; the sum itself is done in float32 (or float64).

    Raises:
        UserError: the sum is too large for the stored type.
    """
    transposed = layer.plan.layer.kind == "conv1d"
    working = stored.to(torch.promote_types(stored.dtype, torch.float32))
    # The magnitude may want to look at the base weight itself, which the stand-in cannot tell.
    layer.base.register_parameter("weight", nn.Parameter(working, requires_grad=False))
    layer.constants.clear()
    merged = layer.merged_weight(working.T if transposed else working)
    result = (merged.T if transposed else merged).to(stored.dtype)
    layer.base.register_parameter("weight", stand_in_weight(layer.plan.layer))
    if not torch.isfinite(result).all():
        raise UserError(
            f"Merged, {layer.plan.name} has numbers that {str(stored.dtype).removeprefix('torch.')} cannot hold.",
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


def drop_written_twice(tensors: dict[str, Stored], layers: Sequence[LayerInfo]) -> None:
    """Leave out the head where the files hold the embedding's very bytes a second time under its name."""
    keys = {layer.role: f"{layer.name}.weight" for layer in layers if layer.role in ("embed", "head")}
    embed, head = tensors.get(keys.get("embed", "")), tensors.get(keys.get("head", ""))
    if embed is None or head is None or (embed.dtype, embed.shape) != (head.dtype, head.shape):
        return
    if all(one == other for one, other in zip(embed.chunks(), head.chunks(), strict=True)):
        del tensors[head.key]


def weight_keys(plans: Iterable[LayerPlan], tensors: dict[str, Stored]) -> dict[str, str]:
    """The key of each layer's weight in the files, by layer name.

    Files may carry another prefix than the modules (GPT-2's are often without `transformer.`). The key that shares
    the longest end with the module's name is taken; where two share it equally, nothing is guessed.

    Raises:
        UserError: a layer has no such key, more than one, or one of another shape.
    """
    by_ending: dict[str, list[str]] = {}
    for key in tensors:
        for ending in _endings(key.removesuffix(".weight")):
            by_ending.setdefault(ending, []).append(key)
    return {plan.name: _weight_key(plan, tensors, by_ending) for plan in plans}


def _weight_key(plan: LayerPlan, tensors: dict[str, Stored], by_ending: dict[str, list[str]]) -> str:
    layer = plan.layer
    shape = (layer.out_features, layer.in_features)
    shape = shape[::-1] if layer.kind == "conv1d" else shape
    exact = f"{plan.name}.weight"
    found = [exact] if exact in tensors else next((by_ending[e] for e in _endings(plan.name) if e in by_ending), [])
    if len(found) != 1 or tensors[found[0]].shape != shape:
        raise UserError(
            f"The model's files do not hold the weight of {plan.name} as one matrix of its own.",
            hint="Export the adapter instead.",
        )
    return found[0]


def _endings(name: str) -> list[str]:
    """`a.0.b.c` to `a.0.b.c`, `0.b.c`, `b.c`: every end that still says which block it is, the longest first."""
    parts = name.split(".")
    last = max((i for i, part in enumerate(parts) if part.isdigit()), default=len(parts) - 1)
    return [".".join(parts[i:]) for i in range(last + 1)]


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
