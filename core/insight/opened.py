"""A run's adapter at a checkpoint, opened for looking: its factors, its first values, and the base weights beneath it.

The base model is not loaded. What needs base weights reads one at a time from the model's files, so a 70B model can be
looked into where it could not be run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from core.adapters.attach import Adapters, attach
from core.config.run import RunConfig
from core.errors import UserError
from core.export.keys import weight_keys
from core.export.saved import open_adapter
from core.export.shards import Stored, stored_tensors
from core.layers import LayerInfo
from core.models.info import ModelInfo
from core.store.rows import CheckpointRow, RunRow

_WHOLE = "Compare dW itself instead."


@dataclass
class Opened:
    """A run at one checkpoint.

    Attributes:
        run, name: its id and what the user calls it.
        step: of the checkpoint.
        folder: of its adapter.
        config: the run's.
    """

    run: str
    name: str
    step: int
    folder: Path
    config: RunConfig

    @classmethod
    def at(cls, row: RunRow, checkpoint: CheckpointRow) -> Opened:
        """The run at one of its checkpoints."""
        return cls(row.id, row.name, checkpoint.step, checkpoint.adapter, row.config)

    @cached_property
    def adapters(self) -> Adapters:
        """The adapter, on stand-ins for its layers."""
        return open_adapter(self.folder)

    @cached_property
    def layers(self) -> list[LayerInfo]:
        """The adapted layers, in the adapter's order."""
        return [layer.plan.layer for layer in self.adapters.layers.values()]

    def factors(self, name: str) -> tuple[Tensor, Tensor]:
        """`(B, A)` of a layer's dW = B A, the scale in B; float64, (out, r) and (r, in)."""
        layer = self.adapters.layers[name]
        b, a = layer.factors()
        return b.detach().double() * layer.scale, a.detach().double()

    def lengths(self, name: str) -> Tensor | None:
        """The row lengths (out,) that DoRA trains; None without."""
        return self.adapters.layers[name].own["m"].detach() if "m" in self.adapters.layers[name].own else None

    def moved(self, name: str) -> Tensor:
        """A - A0, (r, in): what was learned of A, without where it started.

        Raises:
            UserError: the layer has no A of its own, or nobody knows what it began with.
        """
        layer = self.adapters.layers[name]
        if "a" not in layer.own:
            raise UserError(f"{name} has no trained A to compare with its start.", hint=_WHOLE)
        first = layer.own["start_a"] if "start_a" in layer.own else self._beginning.layers[name].own["a"]
        learned: Tensor = layer.own["a"].detach().double() - first.detach().double()
        return learned

    @cached_property
    def _beginning(self) -> Adapters:
        """The adapter as the run began with it: its first values follow from its seed.

        Raises:
            UserError: it was imported, or began with what another run had learned.
        """
        if self.config.adapter.begin or not self.config.data.path:
            raise UserError(f"{self.name} did not start A at random: its first values are not known.", hint=_WHOLE)
        again = open_adapter(self.folder)
        plans = [layer.plan for layer in again.layers.values()]
        return attach(again.detach(), plans, again.config, seed=self.config.seed, storage=again.storage, fresh=False)


class BaseWeights:
    """The frozen weights beneath adapters, read from the model's files when they are asked for.

    Args:
        info: the base model, a folder.
        adapters: whose layers.

    Raises:
        UserError: the files do not hold a layer's weight as a matrix of its own.
    """

    def __init__(self, info: ModelInfo, adapters: Adapters) -> None:
        self._stored: dict[str, Stored] = stored_tensors(info.path)
        plans = [layer.plan for layer in adapters.layers.values()]
        self._keys = weight_keys(plans, self._stored, info.model_type)
        self._adapters = adapters

    def weight(self, name: str) -> Tensor:
        """W0 of a layer as the run computed with it, (out, in) float64: rounded where it was held in fewer bits."""
        layer = self._adapters.layers[name]
        stored = self._stored[self._keys[name]].read().float()
        matrix = stored.T if layer.plan.layer.kind == "conv1d" else stored
        weight: Tensor = layer.storage.rounded(matrix).double()
        return weight
