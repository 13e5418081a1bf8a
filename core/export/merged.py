"""The base model with the adapter in its weights: a folder that plain `transformers` opens.

The source's files are rewritten tensor by tensor. An adapted weight is read, merged in float32, rounded once to the
type it was stored in, and written; everything else is copied byte for byte. So the memory needed is that of the
largest single weight, whatever the model's size, and keys, types and untouched weights are the source's own.

Over a quantised base the function that was trained is that of the quantised weights, so it is they that the adapter is
merged into, as numbers: every layer of the blocks is rounded as it was while training, those without an adapter too.
They are never quantised again afterwards, which would wipe out most of what was learned. Merging into the original
weights gives another model; how far off is measured (`mismatch`).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from core.adapters.adapted import Adapted
from core.adapters.attach import Adapters
from core.adapters.axis import Storage
from core.errors import UserError
from core.export import headed, shards
from core.export.keys import module_keys, weight_keys
from core.export.saved import stand_in_weight
from core.export.shards import Stored
from core.layers import LayerInfo, LayerPlan
from core.models.headers import INDEX
from core.models.info import ModelInfo
from core.saying import Say

Onto = Literal["trained", "original"]
"""Which base an adapter is merged into: the weights it was trained over, or those in the files."""
Change = Callable[[Tensor, torch.dtype | None], Tensor]
"""From a weight as it stands in a file, and the type to round to (None: its own), to the weight that is written."""

TINY = 1e-30
"""Stands for the change of a layer whose adapter is still zero."""
CARRIED_SUFFIXES = (".json", ".txt", ".jinja", ".model", ".tiktoken")
CARRIED_NAMES = ("LICENSE", "NOTICE", "COPYING")
CARRIED_FOLDERS = ("additional_chat_templates",)
LEFT_BEHIND = ("adapter_config.json", "source.json", "trainer_state.json", "training_args.json", INDEX)


def write(
    adapters: Adapters,
    info: ModelInfo,
    folder: Path,
    *,
    progress: Say,
    shard_bytes: int = shards.SHARD_BYTES,
    onto: Onto = "trained",
) -> None:
    """Write the merged model into an existing folder.

    Args:
        adapters: from `open_adapter`.
        info: the base model, a folder.
        folder: where to.
        progress: told what is going on; may raise to end the job.
        shard_bytes: size at which a new file is begun.
        onto: the weights that it is merged into, where the base was quantised.

    Raises:
        UserError: a layer's weight is not in the files, or cannot be merged into.
    """
    tensors = shards.stored_tensors(info.path)
    if info.tied:
        refuse_tied(adapters, info.layers)
        drop_written_twice(tensors, info)
    changed = changes(adapters, info, tensors, onto=onto)
    if adapters.head:
        names = headed.renamed(tensors, info.model_type)
        changed = {names[key]: change for key, change in changed.items()}
        tensors = headed.under_names(tensors, names) | headed.head_tensors(adapters, folder)
    total = sum(tensor.size for tensor in tensors.values())
    done = 0

    def tick(tensor: Stored) -> None:
        nonlocal done
        progress(f"Merging {tensor.key}" if tensor.key in changed else f"Copying {tensor.key}", done / total)
        done += tensor.size

    files = shards.plan(list(tensors.values()), shard_bytes=shard_bytes)
    shards.write(folder, files, {key: _from_file(change) for key, change in changed.items()}, tick)
    carry(info.path, folder)
    if adapters.head:
        headed.configure(adapters, info, folder)


def _from_file(change: Change) -> Callable[[Stored], Tensor]:
    return lambda tensor: change(tensor.read(), None)


def changes(
    adapters: Adapters, info: ModelInfo, tensors: Mapping[str, Stored], *, onto: Onto = "trained"
) -> dict[str, Change]:
    """What happens to which weight of the files, by key; all others stay as they are.

    Raises:
        UserError: a layer's weight is not in the files.
    """
    plans = [layer.plan for layer in adapters.layers.values()]
    held = _held(adapters, info) if onto == "trained" else []
    bare = [LayerPlan(layer, 1, 1.0) for layer in held if layer.name not in adapters.layers]
    keys = weight_keys([*plans, *bare], tensors, info.model_type)
    found: dict[str, Change] = {keys[plan.name]: partial(rounded, adapters.storage, plan.layer) for plan in bare}
    return found | {keys[name]: partial(merge, layer, onto=onto) for name, layer in adapters.layers.items()}


def _held(adapters: Adapters, info: ModelInfo) -> list[LayerInfo]:
    """The layers whose weights the storage rounds: all of the blocks, or none."""
    return [] if "float_base" in adapters.storage.provides else [layer for layer in info.layers if layer.adaptable]


def rounded(storage: Storage, layer: LayerInfo, stored: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """The weight of a layer without an adapter as the model computed with it."""
    matrix = stored.T if layer.kind == "conv1d" else stored
    held = storage.rounded(matrix)
    return (held.T if layer.kind == "conv1d" else held).to(dtype or stored.dtype)


def merge(layer: Adapted, stored: Tensor, dtype: torch.dtype | None = None, *, onto: Onto = "trained") -> Tensor:
    """The merged weight in the layout of the stored one; the sum itself is done in float32 (or float64).

    Args:
        layer: from `open_adapter`.
        stored: the base weight as it stands in the file.
        dtype: what the sum is rounded to, once; None takes the stored type.
        onto: whether the weight is rounded first as it was while training.

    Raises:
        UserError: the sum is too large for that type.
    """
    transposed = layer.plan.layer.kind == "conv1d"
    dtype, shape = dtype or stored.dtype, stored.shape
    stored = stored[:, None] if layer.plan.layer.kind == "vector" else stored
    working = stored.to(torch.promote_types(stored.dtype, torch.float32))
    if onto == "trained":
        working = rounded(layer.storage, layer.plan.layer, working)
    # The magnitude may want to look at the base weight itself, which the stand-in cannot tell.
    layer.base.register_parameter("weight", nn.Parameter(working, requires_grad=False))
    layer.constants.clear()
    merged = layer.merged_weight(working.T if transposed else working)
    layer.base.register_parameter("weight", stand_in_weight(layer.plan.layer))
    result = (merged.T if transposed else merged).to(dtype).view(shape)
    if not torch.isfinite(result).all():
        raise UserError(
            f"Merged, {layer.plan.name} has numbers that {str(dtype).removeprefix('torch.')} cannot hold.",
            hint="Export the adapter instead, or train with a lower alpha or learning rate.",
        )
    return result


@dataclass(frozen=True)
class Mismatch:
    """How far a quantised base is from the original one, in units of what the adapter changes.

    Attributes:
        ratio: ||W - W'|| / ||dW|| over all layers of the blocks.
        layer, worst: the adapted layer with the largest ratio, and that.
    """

    ratio: float
    layer: str
    worst: float

    def sentence(self) -> str:
        """The same for people."""
        return (
            f"The original weights {self.apart()}: this is not the model that was trained, so measure it before you "
            "use it."
        )

    def apart(self) -> str:
        """How far those of full precision are from them, as the end of a sentence."""
        return (
            f"differ from the quantised ones trained over by {self.ratio:.3g} times what it changes (most in "
            f"{self.layer}, {self.worst:.3g} times)"
        )


def mismatch(adapters: Adapters, info: ModelInfo) -> Mismatch | None:
    """Measure it from the files; None where the base was not quantised."""
    tensors = shards.stored_tensors(info.path)
    held = {layer.name: layer for layer in _held(adapters, info)}
    if not held:
        return None
    keys = weight_keys([LayerPlan(layer, 1, 1.0) for layer in held.values()], tensors, info.model_type)
    losses, deltas = {}, {}
    for name, layer in held.items():
        stored = tensors[keys[name]].read().float()
        losses[name] = float((stored - rounded(adapters.storage, layer, stored)).norm())
        if name in adapters.layers:
            deltas[name] = max(float(adapters.layers[name].delta_weight().norm()), TINY)
    ratios = {name: losses[name] / delta for name, delta in deltas.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    return Mismatch(math.hypot(*losses.values()) / math.hypot(*deltas.values()), worst, ratios[worst])


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
