"""An adapter of PEFT's becomes a run of the history: with its layers, its configuration and one checkpoint, of step 0.

From there on it is a run like any other: it is looked into, compared, asked, merged and exported, and another run can
begin from it (`adapter.begin`). Everything that can go wrong is tried before the run is made.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.adapters import state
from core.adapters.attach import Adapters
from core.adapters.norms import delta_norms
from core.adapters.storage import STORAGES
from core.atomic import new_folder
from core.checkpoints import ADAPTER, name
from core.config.run import RunConfig
from core.errors import UserError
from core.events import CheckpointSaved, Noticed, RunFinished, RunStarted
from core.export import foreign
from core.export.foreign import Foreign
from core.export.keys import weight_keys
from core.export.saved import stand_ins
from core.export.shards import stored_tensors
from core.home import Home
from core.models.catalog import describe
from core.models.folder import read_config
from core.models.info import ModelInfo
from core.models.load import resolve
from core.paths import typed
from core.room import room_for
from core.saying import Say
from core.store.store import Store
from core.store.writer import Writer

TAG = "imported"
FIRST = 0
"""Step of its only checkpoint."""
LAST_OF_HEAD = ("score.weight", "classifier.weight", "classifier.out_proj.weight")
"""Heads' last matrices, (classes, hidden)."""


@dataclass(frozen=True)
class _Found:
    """What is about to become a run."""

    config: RunConfig
    adapters: Adapters
    info: ModelInfo
    notes: tuple[str, ...]


def import_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Import an adapter.

    Args:
        home: where the run is made.
        body: `adapter` (its folder), `model` (the base model, as a run file names it) and `name` (of the run; empty
            takes the folder's).
        progress: told what is going on; may raise to end the job.

    Returns:
        `run` (its id), `name`, `folder`, `method`, `layers`, `trainable_parameters` and `notes` (sentences).

    Raises:
        UserError: the adapter cannot be taken over, or belongs to another model; no run has been made then.
        Cancelled: by `progress`.
    """
    folder = typed(str(body["adapter"]))
    found = _found(home, folder, str(body["model"]), str(body.get("name") or ""), progress)
    progress("Making the run", None)
    run = _make(home, found, origin=f"Imported from {folder.absolute()}.")
    return {
        "run": run,
        "name": found.config.name,
        "folder": str(home.run(run)),
        "method": found.config.method_label,
        "layers": len(found.adapters.layers),
        "trainable_parameters": found.adapters.count(),
        "notes": list(found.notes),
    }


def _found(home: Home, folder: Path, model: str, called: str, progress: Say) -> _Found:
    """Read everything, and put it on stand-ins for the model's layers: whatever does not fit shows here."""
    progress("Looking at the model", None)
    path = resolve(home, model, progress)
    info, given = describe(path), describe(model)
    progress("Reading the adapter", None)
    read = foreign.read(folder, info.layers)
    if not info.writes_text and not read.head:
        raise UserError(
            f"{info.name} reads texts and does not continue them, and the adapter brings no head that judges.",
            hint="Choose the base model that it was trained on.",
        )
    labels = _labels(read, info)
    root = stand_ins(read.plans, read.head)
    adapters = foreign.put_on(root, read, storage=STORAGES.default(), labels=labels)
    task = "causal-lm" if not read.head else "sequence-classification" if labels else "regression"
    absolute = str(typed(model).absolute()) if typed(model).exists() else model
    config = RunConfig.from_dict(
        {
            "name": called.strip() or (folder.parent if folder.is_file() else folder).absolute().name,
            "task": task,
            "model": {"path": absolute},
            "data": {"labels": list(labels)},
            "adapter": read.config.model_dump(mode="json", exclude_none=True),
        }
    )
    return _Found(config, adapters, info, (*read.notes, *_of_another(read, given)))


def _labels(read: Foreign, info: ModelInfo) -> tuple[str, ...]:
    """The classes of a head: the base model's own names where it has as many, else numbered; none for one number."""
    if not read.head:
        return ()
    last = next((tensor for key, tensor in read.head.items() if key.endswith(LAST_OF_HEAD)), None)
    if last is None:
        raise UserError(f"The adapter's head is of an unknown kind: it holds {', '.join(sorted(read.head))}.")
    if len(last) == 1:
        return ()
    said = read_config(info.path).get("id2label")
    names = said if isinstance(said, dict) and len(said) == len(last) else {}
    return tuple(str(names.get(str(number), f"LABEL_{number}")) for number in range(len(last)))


def _of_another(read: Foreign, info: ModelInfo) -> list[str]:
    """A word where the adapter names another base model than the one it is put on."""
    theirs = read.base.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if not theirs or theirs.lower() == info.name.rpartition("/")[2].lower():
        return []
    return [f"The adapter names {theirs} as its base model; its layers fit {info.name}, if that is the same one."]


def _make(home: Home, found: _Found, *, origin: str) -> str:
    """Make the run, and let its history say what a worker would have said."""
    adapters, layers = found.adapters, [layer.plan.layer for layer in found.adapters.layers.values()]
    measured = _norms(adapters, found.info)
    with closing(Store(home)) as store:
        run = store.create_run(found.config, tags=(TAG,))
        try:
            checkpoint = home.run(run) / name(FIRST)
            with room_for(checkpoint, _bytes(adapters), what="the adapter"), new_folder(checkpoint) as folder:
                (folder / ADAPTER).mkdir()
                state.save(adapters, folder / ADAPTER)
            store.set_notes(run, " ".join([origin, *found.notes]))
            writer = Writer(home, run)
            try:
                writer.layers(layers)
                writer.event(_started(found))
                for key, values in measured.items():
                    writer.vector(FIRST, key, values)
                writer.event(CheckpointSaved(FIRST, name(FIRST), best=False))
                for note in found.notes:
                    writer.event(Noticed(note))
                writer.event(RunFinished(FIRST))
            finally:
                writer.close()
        except BaseException:
            store.delete(run)
            store.remove(run)
            raise
    return run


def _bytes(adapters: Adapters) -> int:
    """What a saved adapter takes."""
    return sum(tensor.nbytes for tensor in (*adapters.tensors().values(), *adapters.head.values()))


def _started(found: _Found) -> RunStarted:
    """What a worker would have said of the sizes; nothing was trained here."""
    return RunStarted(
        step=FIRST, steps=0, device="", compute="", trainable_parameters=found.adapters.count(),
        total_parameters=found.info.parameters, examples=0, held_out_examples=0, environment={},
    )  # fmt: skip


@torch.no_grad()
def _norms(adapters: Adapters, info: ModelInfo) -> dict[str, np.ndarray]:
    """||dW||_F of each layer, and that over ||W0||_F, as a training measures them."""
    tensors = stored_tensors(info.path)
    keys = weight_keys([layer.plan for layer in adapters.layers.values()], tensors, info.model_type)
    norms = delta_norms(list(adapters.layers.values()))
    base = np.array([float(tensors[keys[name]].read().float().norm()) for name in adapters.layers], dtype=np.float32)
    return {"delta_norm": norms, "relative_norm": norms / np.where(base > 0, base, np.float32(1))}
