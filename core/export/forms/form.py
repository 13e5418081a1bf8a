"""What a type of PEFT's adapters must offer: the way out of this program, and the way in.

A type is written and read in one file, so that the two cannot drift apart. Which one an adapter goes out as follows
from what it is made of (`objection`), never from a method's name.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from core.adapters.attach import Adapters
from core.errors import UserError
from core.layers import LayerInfo

PREFIX, OUTSIDE = "base_model.model.", "base_model."
"""What stands before the name of a layer, and before that of a tensor that belongs to none."""
V = TypeVar("V")


@dataclass(frozen=True)
class Piece:
    """One layer of an adapter that is read.

    Attributes:
        rank, alpha: of the layer, in this program's terms.
        own: the layer's tensors by this program's names.
    """

    rank: int
    alpha: float
    own: dict[str, Tensor]


@dataclass(frozen=True)
class Folder:
    """An adapter in PEFT's layout, as it was read.

    Attributes:
        said: its configuration.
        tensors: without PEFT's prefix; what a form takes it takes out, so that what is left over is seen.
        layers: layer name as the base model has it, to the name in the file.
        notes: what the user should know of the reading.
    """

    said: dict[str, Any]
    tensors: dict[str, Tensor]
    layers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(self, name: str) -> Tensor:
        """A tensor, float32.

        Raises:
            UserError: it is not there, or holds a single number.
        """
        if name not in self.tensors:
            raise UserError(f"The adapter lacks the tensor {name}.", hint="Its file may have been cut short.")
        found = self.tensors.pop(name).float()
        if not found.dim():
            raise UserError(f"The adapter's tensor {name} is a single number.", hint="Its file may have been damaged.")
        return found

    def number(self, key: str, default: float) -> float:
        """A number of the configuration.

        Raises:
            UserError: it is none.
        """
        value = self.said.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(f"{key} must be a number in the adapter's configuration (got {value!r}).")
        return value

    def by_layer(self, name: str, patterns: str, key: str, default: float) -> float:
        """A number that a table of patterns may give to a layer, as PEFT matches names; else that of all layers.

        Raises:
            UserError: a pattern cannot be read.
        """
        table = self.said.get(patterns) or {}
        if not isinstance(table, dict):
            raise UserError(f"{patterns} must be a table in the adapter's configuration (got {table!r}).")
        for pattern, value in table.items():
            try:
                if re.match(rf"(.*\.)?({pattern})$", name) and math.isfinite(float(value)):
                    return float(value)
            except (re.error, TypeError, ValueError):
                raise UserError(
                    f"{patterns} of the adapter holds {pattern!r}: {value!r}, which says nothing."
                ) from None
        return self.number(key, default)


class Form(ABC):
    """One type of PEFT's adapters."""

    type: ClassVar[str]
    """How `peft_type` names it."""
    deltas: ClassVar[tuple[str, ...]]
    """The kinds of delta that it is PEFT's type for."""
    marks: ClassVar[tuple[str, ...]]
    """Ends of tensor names by which its layers are known."""
    outside: ClassVar[frozenset[str]] = frozenset()
    """Tensors that belong to no layer."""
    refused: ClassVar[Mapping[str, str]] = {}
    """Keys of its configuration that must say nothing, with what it means if they do."""

    @abstractmethod
    def objection(self, adapters: Adapters) -> str:
        """Why this type cannot say what these adapters do, as the end of a sentence; empty where it can."""

    @abstractmethod
    def tensors(self, adapters: Adapters) -> dict[str, Tensor]:
        """The tensors of the file, without PEFT's prefix."""

    @abstractmethod
    def settings(self, adapters: Adapters, *, steps: int) -> dict[str, Any]:
        """What the configuration says besides what all types say; `steps` is the length of the run."""

    @abstractmethod
    def axes(self, folder: Folder) -> dict[str, Any]:
        """The options of `AdapterConfig` that say the same, sizes and layers left out."""

    @abstractmethod
    def piece(self, folder: Folder, layer: LayerInfo, given: str) -> Piece:
        """Take one layer out of what was read; `given` is its name in the file.

        Raises:
            UserError: a tensor is missing, or the sizes do not belong together.
        """

    def key(self, name: str) -> str:
        """The name of a tensor in the file."""
        return f"{OUTSIDE if name in self.outside else PREFIX}{name}"

    def shared(self, folder: Folder, layers: list[LayerInfo], rank: int) -> dict[str, Tensor]:
        """Take what all layers have together, by this program's names."""
        return {}


def copied(tensor: Tensor) -> Tensor:
    """For a file, which holds no tensor twice: layers may share theirs."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def split(values: Mapping[str, V]) -> tuple[V, dict[str, V]]:
    """The most frequent value, and the layers that have another."""
    common = Counter(values.values()).most_common(1)[0][0]
    return common, {name: value for name, value in values.items() if value != common}


def rounded(value: float) -> float:
    """A whole number as one."""
    return int(value) if value == int(value) else value


def transposed(adapters: Adapters) -> bool:
    """Whether layers are stored as GPT-2 has them."""
    return any(layer.plan.layer.kind == "conv1d" for layer in adapters.layers.values())


def changed(adapters: Adapters) -> bool:
    """Whether there is more than the delta itself: row lengths, or what a base has given up or taken up."""
    return any(layer.magnitude.kind != "none" or layer.carried() for layer in adapters.layers.values())
