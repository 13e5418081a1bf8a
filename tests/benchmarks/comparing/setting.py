"""What all methods have in common in the comparison: model, data, seed, length; and the few things of their own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.starting_point import starting_point
from core.adapters.names import METHODS, method
from core.config.edit import replaced
from core.config.pace import pace
from core.config.run import RunConfig
from core.home import Home
from core.models.catalog import embedded_model, tiny_model
from core.sink import Nowhere
from core.train.ground import Ground
from core.train.interrupt import Interrupt
from core.train.prepare import lay

OWN: Mapping[str, Mapping[str, Any]] = {
    # Twice two factors: half the rank for LoRA's number of trained numbers.
    "loha": {"rank": 4},
    "lora-drop": {"adapter.selection": {"kind": "lora-drop", "probe_steps": 4, "sample_ratio": 0.2}},
}
"""By method: a rank of its own, and values by dotted path."""
ABSENT = {"bitfit": "its layers have no biases"}
"""Methods that have nothing to train in a Llama."""
RANK, ALPHA = 8, 16.0


@dataclass(frozen=True)
class Setting:
    """One comparison.

    Attributes:
        home: where the converted model lies.
        model: the base model.
        steps: how long every method learns.
        rate: LoRA's learning rate; each method takes it at its own pace.
        rounds: how many steps of each are timed.
        shared: whether the machine has other work: then one thread's own time is counted.
    """

    home: Home
    model: Path
    steps: int
    rate: float
    rounds: int
    shared: bool = False
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: OWN)

    def config(self, name: str, *, steps: int = 0) -> RunConfig:
        """The run of a method."""
        own = dict(self.own.get(name, {}))
        rank = own.pop("rank", RANK)
        start = RunConfig.from_dict({"adapter": {"method": name}})
        rate = self.rate * pace(start)
        changes = {
            **starting_point(self.model), "name": name, "train.prompts": (), "adapter.method": name,
            "adapter.rank": rank, "adapter.alpha": ALPHA * rank / RANK, "train.learning_rate": rate,
            "train.steps": steps or self.steps, "train.schedule": {"kind": "constant"}, "train.warmup": 0.1,
            "train.device": "cpu", "model.compute": "float32", **own,
        }  # fmt: skip
        return replaced(start, changes)

    def ground(self, name: str) -> Ground:
        """Model and data for a method, without adapters."""
        return lay(
            self.config(name), home=self.home, folder=self.home.root, sink=Nowhere(), interrupt=Interrupt(), say=silent
        )


def setting(home: Home, *, quick: bool, steps: int, rounds: int, shared: bool) -> Setting:
    """SmolLM2, or in the quick form the tiny model, on the Devil's Dictionary as the demo trains it."""
    if quick:
        return Setting(home, tiny_model(), steps or 12, 5e-3, rounds or 6, shared)
    return Setting(home, embedded_model(), steps or 6, 1e-3, rounds or 4, shared)


def names() -> list[str]:
    """The methods that can be compared, LoRA first."""
    return [known.name for known in METHODS if known.name not in ABSENT]


def storage(name: str) -> str:
    """How a method holds the base."""
    return method(name).storage or "dense"


def silent(text: str, share: float | None = None) -> None:
    """Nobody is told."""


def twin(ground: Ground) -> Ground:
    """The same ground with modules of its own over the same weights: adapters may stand on several at once."""
    model = ground.loaded.model
    same = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return replace(ground, loaded=replace(ground.loaded, model=copy.deepcopy(model, same)))
