"""What a method learns, in a process of its own: its losses, its memory, whether it resumes and merges as it must."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.adapted import Adapted
from core.adapters.attach import Adapters
from core.adapters.state import read
from core.adapters.vector import Vector
from core.events import Evaluated, Event
from core.sink import Nowhere
from core.train import checkpoint
from core.train.interrupt import Interrupt
from core.train.loss import TokenLoss
from core.train.memory import peak
from core.train.prepare import prepare
from core.train.trainer import train
from core.train.training import Training
from tests.benchmarks.comparing.setting import Setting, silent


@dataclass
class Losses(Nowhere):
    """Keeps the held-out losses."""

    found: list[float] = field(default_factory=list)

    def event(self, event: Event) -> None:
        """One more, where it is one."""
        if isinstance(event, Evaluated):
            self.found.append(event.loss)


def learned(setting: Setting, name: str) -> dict[str, Any]:
    """Train a method, and go on with it from the middle a second time."""
    with tempfile.TemporaryDirectory() as folder:
        losses = Losses()
        training = begun(setting, name, Path(folder), losses)
        restart_peak()
        train(training)
        memory = resident_peak(training)
        last = checkpoint.newest(Path(folder))[0]
        assert last is not None
        found = {
            "rank": training.config.adapter.rank,
            "trainable_parameters": training.adapters.count(),
            "adapter_bytes": sum(file.stat().st_size for file in last.adapter.glob("*.safetensors")),
            "held_out_before": losses.found[0],
            "held_out": losses.found[-1],
            "peak_memory": memory,
            "steps": setting.steps,
        }
        values = kept(training)
        found["merge_gap"] = merge_gap(training)
        del training
        return {**found, "resumes": resumed(setting, name, Path(folder), values)}


def begun(setting: Setting, name: str, folder: Path, sink: Losses, *, going_on: bool = False) -> Training:
    """A training that stands at its first step, or at its newest checkpoint."""
    steps = setting.steps
    config = setting.config(name)
    train = config.train.model_copy(update={"evaluate_every": steps, "checkpoint_every": max(1, steps // 2)})
    config = config.model_copy(update={"train": train})
    found = checkpoint.newest(folder)[0] if going_on else None
    saved = None if found is None else read(found.adapter)
    training = prepare(
        config, home=setting.home, folder=folder, sink=sink, interrupt=Interrupt(), say=silent, saved=saved
    )
    if found is not None:
        checkpoint.restore(training, found)
    return training


def resumed(setting: Setting, name: str, folder: Path, expected: dict[str, Tensor]) -> bool:
    """Whether the second half, trained again from the checkpoint in the middle, ends with the same bits."""
    checkpoint.clean(folder, after=max(1, setting.steps // 2))
    training = begun(setting, name, folder, Losses(), going_on=True)
    assert 0 < training.progress.step < setting.steps, "there is no checkpoint in the middle"
    train(training)
    values = kept(training)
    return values.keys() == expected.keys() and all(torch.equal(value, expected[key]) for key, value in values.items())


def kept(training: Training) -> dict[str, Tensor]:
    """The adapter's tensors, copied."""
    layers = training.adapters.layers.items()
    return {f"{name}.{key}": value.detach().clone() for name, layer in layers for key, value in layer.own.items()}


@torch.no_grad()
def merge_gap(training: Training) -> float:
    """The largest difference that merging makes to the log-probability of a held-out token; takes the adapters off."""
    training.model.eval()
    batch = training.held_out[0]
    before, _ = TokenLoss(training.model).log_probabilities(batch)
    merge(training.adapters)
    after, _ = TokenLoss(training.model).log_probabilities(batch)
    return float((before - after).abs().max())


def merge(adapters: Adapters) -> None:
    """Put the merged weights in the place of the adapters, as numbers."""
    weights = {name: layer.merged_weight() for name, layer in adapters.layers.items()}
    layers = adapters.layers
    adapters.detach()
    for name, weight in weights.items():
        put(adapters.model, name, layers[name], weight)


def put(model: nn.Module, name: str, layer: Adapted, weight: Tensor) -> None:
    """One merged weight, in place of a module or of a vector."""
    place, _, key = name.rpartition(".")
    if isinstance(layer.base, Vector):
        model.get_submodule(place).get_parameter(key).copy_(weight[:, 0])
        return
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=layer.bias is not None)
    linear.weight = nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        linear.bias = nn.Parameter(layer.bias.detach(), requires_grad=False)
    setattr(model.get_submodule(place), key, linear)


def restart_peak() -> None:
    """Let the system start the process's peak anew: loading the model is not part of the training. Linux only."""
    if sys.platform.startswith("linux"):
        Path("/proc/self/clear_refs").write_text("5")


def resident_peak(training: Training) -> int:
    """The most bytes of resident memory so far, of the whole process."""
    if sys.platform.startswith("linux"):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return peak(training.precision.device)
