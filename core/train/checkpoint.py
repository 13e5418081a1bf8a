"""Checkpoints: everything that a run needs to go on as if nothing had happened, and nothing that executes.

    checkpoints/step-000100/
      adapter/                 what `core.adapters.state` writes: all that an export needs
      folded.safetensors       numbers of folded weights that base and change do not add up to, where there are any
      optimizer.safetensors    the optimizer's tensors, as `parameter/key`
      callbacks.safetensors    the tensors that callbacks keep, as `callback/key`
      state.json               progress, numbers of the optimizer, random states, and size and digest of every file

Position in the schedule and in the data are the step itself. A folder is written under another name, forced to the
disk and renamed, so it is there whole or not at all; `state.json` says what every other file must be, so that one
damaged afterwards is seen before it is used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from core.adapters import state as adapter_state
from core.adapters.attach import Adapters
from core.atomic import new_folder
from core.checkpoints import ADAPTER, FOLDER, name
from core.errors import UserError
from core.train import seed
from core.train.training import Progress, Training

FORMAT = 1
FOLDED = "folded.safetensors"
OPTIMIZER = "optimizer.safetensors"
CALLBACKS = "callbacks.safetensors"
STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk that has been found whole."""

    folder: Path
    state: dict[str, Any]

    @property
    def progress(self) -> Progress:
        """How far the run had come."""
        return Progress(**self.state["progress"])

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.progress.step

    @property
    def adapter(self) -> Path:
        """The folder of its adapter."""
        return self.folder / ADAPTER


def save(training: Training) -> Path:
    """Write a checkpoint of this moment, replacing one of the same step.

    Raises:
        OSError, SafetensorError: it could not be written; nothing of it is left then.
    """
    target = training.folder / name(training.progress.step)
    tensors, numbers = _optimizer_state(training.optimizer, training.adapters)
    with new_folder(target, replace=True) as folder:
        (folder / ADAPTER).mkdir()
        adapter_state.save(training.adapters, folder / ADAPTER)
        if remainders := _remainders(training.adapters):
            save_file(remainders, folder / FOLDED)
        save_file(tensors, folder / OPTIMIZER)
        save_file(_callback_state(training), folder / CALLBACKS)
        state = {
            "format": FORMAT,
            "progress": asdict(training.progress),
            "optimizer": numbers,
            "scaler": training.scaler.state_dict(),
            "random": seed.capture(),
            "files": _digests(folder),
        }
        (folder / STATE).write_text(json.dumps(state), encoding="utf-8")
    return target


def newest(run: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint of a run that is whole, and the names of newer ones that are not."""
    damaged: list[str] = []
    for folder in reversed(_folders(run)):
        found = read(folder)
        if found is not None:
            return found, damaged
        damaged.append(folder.name)
    return None, damaged


def read(folder: Path) -> Checkpoint | None:
    """The checkpoint in `folder`, or None where anything of it is missing, cut short or changed."""
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        # What a file manager has put beside them (.DS_Store, Thumbs.db) does no harm.
        if state["format"] > FORMAT or any(_digest(folder / name) != said for name, said in state["files"].items()):
            return None
        Progress(**state["progress"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Checkpoint(folder, state)


def restore(training: Training, checkpoint: Checkpoint) -> None:
    """Put adapter, optimizer, callbacks, progress and random generators where the checkpoint found them.

    Raises:
        UserError: it belongs to other layers or another optimizer.
    """
    adapter_state.restore(training.adapters, adapter_state.read(checkpoint.adapter))
    if (checkpoint.folder / FOLDED).exists():
        _restore_remainders(training.adapters, load_file(checkpoint.folder / FOLDED))
    _restore_optimizer(training.optimizer, training.adapters, checkpoint)
    kept = load_file(checkpoint.folder / CALLBACKS)
    for callback in training.callbacks:
        prefix = f"{callback.name}/"
        own = {key.removeprefix(prefix): value for key, value in kept.items() if key.startswith(prefix)}
        if own:
            callback.restore(own)
    training.scaler.load_state_dict(checkpoint.state["scaler"])
    training.progress = checkpoint.progress
    best = training.progress.best_step
    if best and not (training.folder / name(best)).is_dir():
        training.progress.best_loss = training.progress.best_step = None
    seed.restore(checkpoint.state["random"])


def prune(training: Training) -> None:
    """Remove all but the newest `train.keep` checkpoints and the best one."""
    best = training.progress.best_step
    for folder in _folders(training.folder)[: -training.config.train.keep]:
        if best is None or folder != training.folder / name(best):
            _remove(folder)


def clean(run: Path, *, after: int | None = None) -> None:
    """Remove what an interrupted writing left, and checkpoints of steps beyond `after`, which a resumed run makes anew.

    Args:
        run: the run's folder.
        after: the step it goes on from; None leaves whole folders alone.
    """
    for left in (run / FOLDER).glob(".step-*"):
        shutil.rmtree(left, ignore_errors=True)
    if after is not None:
        for folder in _folders(run):
            if _step(folder) > after:
                _remove(folder)


def _folders(run: Path) -> list[Path]:
    """The checkpoints' folders, oldest step first."""
    return sorted((path for path in (run / FOLDER).glob("step-*") if _step(path) >= 0), key=_step)


def _step(folder: Path) -> int:
    """The step in a folder's name; -1 where it is no checkpoint's."""
    digits = folder.name.removeprefix("step-")
    return int(digits) if digits.isdecimal() and folder.is_dir() else -1


def _remove(folder: Path) -> None:
    """Rename first: half-removed, it would look damaged. One that somebody has open stays until the next time."""
    going = folder.with_name(f".{folder.name}.going")
    with suppress(OSError):
        folder.rename(going)
        shutil.rmtree(going, ignore_errors=True)


def _digests(folder: Path) -> dict[str, list[int | str]]:
    """Size and SHA-256 of every file but `state.json`, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != STATE
    }


def _digest(path: Path) -> list[int | str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        return [path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()]


@torch.no_grad()
def _remainders(adapters: Adapters) -> dict[str, Tensor]:
    """What is lost by stating folded weights as changes of the base, as `layer/at` and `layer/is`.

    A weight that has come close to 0 has finer digits than its distance from where it was. There are few of those.
    """
    found: dict[str, Tensor] = {}
    for layer in adapters.layers.values():
        if layer.folded:
            weight = layer.own[layer.folded]
            at = (layer.stated()[layer.folded] + layer.base_weight() != weight).flatten().nonzero()[:, 0]
            if len(at):
                found |= {f"{layer.plan.name}/at": at.int(), f"{layer.plan.name}/is": weight.flatten()[at]}
    return found


@torch.no_grad()
def _restore_remainders(adapters: Adapters, found: dict[str, Tensor]) -> None:
    """Give folded weights their last digits."""
    for layer in adapters.layers.values():
        if f"{layer.plan.name}/at" in found:
            weight = layer.own[layer.folded].view(-1)
            at, values = (found[f"{layer.plan.name}/{what}"].to(weight.device) for what in ("at", "is"))
            weight[at.long()] = values


def _callback_state(training: Training) -> dict[str, Tensor]:
    return {
        f"{callback.name}/{key}": tensor.detach().contiguous()
        for callback in training.callbacks
        for key, tensor in callback.state().items()
    }


def _optimizer_state(optimizer: Optimizer, adapters: Adapters) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's state by parameter name: tensors as `parameter/key`, and the rest, which is JSON."""
    names = {id(parameter): name for name, parameter, _ in adapters.named_parameters()}
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    seen: set[int] = set()
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            place = f"{names[id(parameter)]}/{key}"
            if isinstance(value, Tensor):
                # One tensor may serve several parameters (the map of an 8-bit state); the file holds it for each.
                shared = value.data_ptr() in seen
                seen.add(value.data_ptr())
                tensors[place] = value.detach().clone() if shared else value.detach().contiguous()
            else:
                numbers[place] = value
    return tensors, numbers


def _restore_optimizer(optimizer: Optimizer, adapters: Adapters, checkpoint: Checkpoint) -> None:
    """Hand the saved values to the optimizer's own loading, which puts them on the right device."""
    names = {id(parameter): name for name, parameter, _ in adapters.named_parameters()}
    saved: dict[str, dict[str, Any]] = {}
    values: dict[str, Any] = {**load_file(checkpoint.folder / OPTIMIZER), **checkpoint.state["optimizer"]}
    for place, value in values.items():
        parameter_name, _, key = place.rpartition("/")
        saved.setdefault(parameter_name, {})[key] = value
    unknown = sorted(set(saved) - set(names.values()))
    if unknown:
        raise UserError(f"The checkpoint in {checkpoint.folder} does not fit this run: {unknown[0]} is not trained.")
    ordered = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    with torch.no_grad():
        optimizer.load_state_dict(
            {
                "state": {
                    place: saved[names[id(parameter)]]
                    for place, parameter in enumerate(ordered)
                    if names[id(parameter)] in saved
                },
                "param_groups": optimizer.state_dict()["param_groups"],
            }
        )
