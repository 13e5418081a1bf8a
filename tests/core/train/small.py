"""A training small enough for a test: two blocks, random rows, and a list where the database would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from core.adapters.attach import attach
from core.callback import Callback
from core.commands import Command
from core.config.run import RunConfig
from core.data.batches import Batch
from core.events import Evaluated, Event
from core.layers import LayerInfo, LayerPlan
from core.models.hold import hold
from core.optim.groups import groups
from core.train import seed
from core.train.interrupt import Interrupt
from core.train.loss import TokenLoss
from core.train.precision import Precision
from core.train.prepare import callbacks
from core.train.training import Training
from tests.tiny import VOCABULARY, random_model, tiny_tokenizer


@dataclass
class ListSink:
    """Keeps what the trainer says. `asked` maps a step to the commands that come in after it."""

    asked: dict[int, list[Command]] = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    curves: dict[str, dict[int, float]] = field(default_factory=dict)
    rows: dict[str, dict[int, NDArray[Any]]] = field(default_factory=dict)
    names: list[LayerInfo] = field(default_factory=list)
    waiting: list[Command] = field(default_factory=list)
    looks: int = 0

    def event(self, event: Event) -> None:
        self.said.append(event)
        if isinstance(event, Evaluated):
            self.curves.setdefault("held_out", {})[event.step] = event.loss

    def points(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self.curves.setdefault(key, {})[step] = value
        if "loss" in values:
            self.waiting += self.asked.pop(step, [])

    def vector(self, step: int, key: str, values: NDArray[Any]) -> None:
        self.rows.setdefault(key, {})[step] = values

    def layers(self, layers: Sequence[LayerInfo]) -> None:
        self.names = list(layers)

    def commands(self) -> list[Command]:
        self.looks += 1
        taken, self.waiting = self.waiting, []
        return taken

    def rewind(self, step: int) -> None:
        """Not needed: a list is not resumed."""

    def flush(self) -> None:
        """Everything is here already."""

    def close(self) -> None:
        """Nothing to let go of."""

    def of(self, kind: type[Event]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.said if isinstance(event, kind)]


def random_batch(rows: int, columns: int, *, seed: int, share: float = 0.5) -> Batch:
    """Rows of random tokens, a share of which is trained, without padding."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (rows, columns), generator=generator)
    labels = ids.masked_fill(torch.rand(ids.shape, generator=generator) > share, -100)
    labels[:, 0] = -100
    return Batch(
        input_ids=ids, labels=labels, position_ids=None, attention_mask=torch.ones_like(ids),
        tokens=ids.numel(), trained=int((labels != -100).sum()),
    )  # fmt: skip


@dataclass
class RandomRows:
    """Other rows at every step, always the same at the same step."""

    accumulate: int = 1

    def micro_batches(self, step: int) -> list[Batch]:
        return [random_batch(2, 12 + step % 3, seed=1000 + 10 * step + part) for part in range(self.accumulate)]


def small_config(**train: Any) -> RunConfig:
    """A run of a few steps; `adapter` may be given among the options of `train`."""
    adapter = {"method": "lora", "rank": 4, "alpha": 8, **train.pop("adapter", {})}
    options = {"steps": 4, "batch": 2, "learning_rate": 1e-2, "warmup": 0.25, "device": "cpu", **train}
    return RunConfig.from_dict({"seed": 7, "adapter": adapter, "train": options, "model": {"compute": "float32"}})


def plans(model: PreTrainedModel, config: RunConfig) -> list[LayerPlan]:
    """All linear layers of a small Llama, with the adapter's rank and alpha."""
    return [
        LayerPlan(
            LayerInfo(name, "other", None, module.out_features, module.in_features),
            config.adapter.rank,
            config.adapter.alpha,
        )
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "head" not in name
    ]


def small_training(
    folder: Path,
    *,
    sink: ListSink | None = None,
    extra: Sequence[Callback] = (),
    interrupt: Interrupt | None = None,
    **train: Any,
) -> Training:
    """A tiny Llama with an adapter on all its linear layers, held as the run's storage says, ready for `train`."""
    config = small_config(**train)
    seed.seed_everything(config.seed)
    model = random_model("llama")
    chosen = plans(model, config)
    hold(model.requires_grad_(False), [plan.layer for plan in chosen], config.storage)
    adapters = attach(model, chosen, config.adapter, seed=config.seed, storage=config.storage)
    adapters.fold()
    training = Training(
        config=config,
        folder=folder,
        sink=sink or ListSink(),
        precision=Precision(torch.device("cpu"), torch.float32),
        model=model,
        tokenizer=tiny_tokenizer(),
        adapters=adapters,
        optimizer=config.train.optimizer.build(groups(adapters, config.train)),
        objective=TokenLoss(model),
        rows=RandomRows(config.train.accumulate),
        held_out=[random_batch(2, 10, seed=1), random_batch(1, 14, seed=2)],
    )
    standard = callbacks(training, interrupt or Interrupt())
    training.callbacks = [standard[0], *extra, *standard[1:]]
    return training


def adapter_values(training: Training) -> dict[str, torch.Tensor]:
    """The trained numbers, by name."""
    return {name: parameter.detach().clone() for name, parameter, _ in training.adapters.named_parameters()}
