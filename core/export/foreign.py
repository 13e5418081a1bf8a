"""An adapter in PEFT's layout, read into this program's own: its axes, its layers with their ranks, and its tensors.

Only what can be said exactly is taken. What is more than an adapter on matrices (biases, embeddings, whole modules
other than a head that judges texts), or belongs to a base that another program has changed, is refused with the reason.
Nothing in the folder is executed: weights come from safetensors alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.adapters.attach import Adapters, attach, train_head
from core.adapters.axis import Storage
from core.config.compact import compact
from core.config.run import AdapterConfig
from core.errors import UserError
from core.export.adapter import CONFIG, TENSORS
from core.export.forms import FORMS
from core.export.forms.form import OUTSIDE, PREFIX, Folder, Form, Piece, split
from core.layers import LayerInfo, LayerPlan

JUDGING = "SEQ_CLS"
"""The task of PEFT's whose adapters bring a head along."""
PICKLES = ("adapter_model.bin", "adapter_model.pt")


@dataclass(frozen=True)
class Foreign:
    """An adapter that was read.

    Attributes:
        form: its type.
        config: the axes and sizes that say the same here.
        plans: its layers.
        tensors: by `layer.tensor` and `shared.key`, as a saved adapter of this program names them.
        head: tensors of a head that judges texts, by their names in the model.
        base: what it calls its base model; empty where it does not.
        notes: what the user should know.
    """

    form: Form
    config: AdapterConfig
    plans: tuple[LayerPlan, ...]
    tensors: dict[str, Tensor]
    head: dict[str, Tensor]
    base: str
    notes: tuple[str, ...]


def read(folder: Path, layers: Sequence[LayerInfo]) -> Foreign:
    """Read an adapter for a model with these layers.

    Raises:
        UserError: there is none, it is damaged, of an unknown type, more than an adapter, or for another model.
    """
    folder = folder.parent if folder.is_file() else folder
    said = _configuration(folder)
    form = _form(said)
    _refuse(form, said)
    found = Folder(said, _tensors(folder))
    axes = form.axes(found)
    found.layers.update(_matched(form, found, layers))
    by_name = {layer.name: layer for layer in layers}
    pieces = {name: form.piece(found, by_name[name], given) for name, given in found.layers.items()}
    whole = {name: piece for name, piece in pieces.items() if piece.rank}
    if not whole:
        raise UserError(f"The adapter in {folder} changes no layer: every rank is 0.")
    if len(whole) < len(pieces):
        found.notes.append(f"{len(pieces) - len(whole)} layers of the adapter have rank 0 and were left out.")
    chosen = [layer for layer in layers if layer.name in whole]
    shared = form.shared(found, chosen, max(piece.rank for piece in whole.values()))
    head = _head(found)
    tensors = {f"{name}.{key}": tensor for name, piece in whole.items() for key, tensor in piece.own.items()}
    tensors |= {f"shared.{key}": tensor for key, tensor in shared.items()}
    config = _config(axes, layers, whole)
    plans = tuple(LayerPlan(layer, whole[layer.name].rank, whole[layer.name].alpha) for layer in chosen)
    base = said.get("base_model_name_or_path") or ""
    return Foreign(form, config, plans, tensors, head, str(base), tuple(found.notes))


def put_on(model: nn.Module, foreign: Foreign, *, storage: Storage, labels: Sequence[str] = ()) -> Adapters:
    """Put an adapter that was read on a model.

    Args:
        model: with the layers that it was read for, whose weights are held as `storage` says.
        foreign: from `read`.
        storage: of the base weights.
        labels: the classes that its head tells apart.

    Raises:
        UserError: a tensor has not the size that its layer asks for.
    """
    adapters = attach(model, foreign.plans, foreign.config, seed=0, storage=storage, fresh=False)
    train_head(adapters, foreign.head, labels)
    wanted = adapters.tensors()
    for key, tensor in wanted.items():
        given = foreign.tensors.get(key)
        if given is None or given.shape != tensor.shape:
            raise UserError(
                f"The adapter does not fit this model: {key} is {_size(given)} in the adapter, {_size(tensor)} is "
                "what the layer asks for.",
                hint="Choose the base model that it was trained on.",
            )
    with torch.no_grad():
        for key, tensor in wanted.items():
            tensor.copy_(foreign.tensors[key])
    return adapters


def _size(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else " x ".join(map(str, tensor.shape))


def _configuration(folder: Path) -> dict[str, Any]:
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"There is no PEFT adapter in {folder}.", hint=f"It would hold {CONFIG}.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / CONFIG} cannot be read: {error}.") from None
    if not isinstance(said, dict):
        raise UserError(f"{folder / CONFIG} holds no configuration.")
    return said


def _form(said: dict[str, Any]) -> Form:
    kind = said.get("peft_type")
    for form in FORMS:
        if form.type == kind:
            return form
    known = ", ".join(form.type for form in FORMS)
    raise UserError(
        f"The adapter is of PEFT's type {kind}, which is not known here.",
        hint=f"Known are {known}. PEFT itself can merge it into its base model.",
    )


def _refuse(form: Form, said: dict[str, Any]) -> None:
    """Refuse what the configuration says beyond an adapter on matrices."""
    for key, meaning in form.refused.items():
        if said.get(key):
            raise UserError(
                f"The adapter cannot be taken over: {meaning} ({key}).", hint="PEFT itself can merge it into its base."
            )
    if said.get("bias", "none") != "none":
        raise UserError(
            "The adapter cannot be taken over: it trains biases of the base model (bias).",
            hint="PEFT itself can merge it into its base.",
        )


def _tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors, without PEFT's prefixes."""
    path = folder / TENSORS
    if not path.is_file():
        pickled = next((folder / name for name in PICKLES if (folder / name).is_file()), None)
        if pickled is not None:
            raise UserError(
                f"{pickled} is a pickle, which can run any program when it is opened, so it never is.",
                hint="Load the adapter in PEFT and save it with safe_serialization=True.",
            )
        raise UserError(f"{folder} lacks {TENSORS}, the adapter's weights.")
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read: {error}.", hint="Fetch the file again.") from None
    return {key.removeprefix(PREFIX).removeprefix(OUTSIDE): tensor for key, tensor in found.items()}


def _matched(form: Form, folder: Folder, layers: Sequence[LayerInfo]) -> dict[str, str]:
    """The model's name of every layer that the adapter changes, to the adapter's own."""
    given = list(
        dict.fromkeys(key.removesuffix(mark) for key in folder.tensors for mark in form.marks if key.endswith(mark))
    )
    if not given:
        raise UserError(f"The adapter's file holds no tensors of the type {form.type}.")
    found: dict[str, str] = {}
    for name in given:
        meant = [layer for layer in layers if _same(layer.name, name)]
        exact = [layer for layer in meant if layer.name == name]
        meant = exact or meant
        if len(meant) != 1:
            raise UserError(
                f"The adapter changes {name}, which the model does not have.",
                hint="Choose the base model that it was trained on.",
            )
        if not meant[0].adaptable:
            raise UserError(
                f"The adapter changes {name}, which takes no adapter here.", hint="PEFT itself can merge it."
            )
        found[meant[0].name] = name
    return {layer.name: found[layer.name] for layer in layers if layer.name in found}


def _same(one: str, other: str) -> bool:
    """Whether two names mean one layer: a model opened without its head leaves a beginning out."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _head(folder: Folder) -> dict[str, Tensor]:
    """What is left once the layers are taken: the head that judges texts.

    Raises:
        UserError: it is something else.
    """
    if not folder.tensors:
        return {}
    left = sorted(folder.tensors)
    if any(".lora_" in name for name in left):
        raise UserError(
            f"The adapter changes more than matrices: it holds {left[0]}.", hint="PEFT itself can merge it."
        )
    if folder.said.get("task_type") != JUDGING:
        modules = ", ".join(sorted({name.rpartition(".")[0] for name in left}))
        raise UserError(
            f"The adapter replaces whole modules of the base model as well ({modules}), which is not taken over.",
            hint="Only a head that judges texts (SEQ_CLS) is. PEFT itself can merge it.",
        )
    return {name: folder.take(name).clone() for name in left}


def _config(axes: dict[str, Any], layers: Sequence[LayerInfo], pieces: dict[str, Piece]) -> AdapterConfig:
    """The adapter part of a run that says what was read."""
    rank, ranks = split({name: piece.rank for name, piece in pieces.items()})
    alpha, alphas = split({name: piece.alpha for name, piece in pieces.items()})
    given = {**axes, "layers": compact(layers, pieces), "rank": rank, "ranks": ranks, "alpha": alpha, "alphas": alphas}
    try:
        return AdapterConfig.model_validate(given)
    except ValueError as error:
        raise UserError(f"The adapter's configuration says what cannot be: {error}.") from None
