"""The nine axes a method is a point in: what a member of each one must offer.

A method (LoRA, QDoRA, DVoRA ...) is never a class. It is one member from each axis, put together by `Adapted`, the
only `nn.Module`. Members are torch-free values: their mathematics works on the tensors handed to them, and torch is
imported inside a method where one is needed at all. So the window can list, describe, count and check every method
without torch.

Everything downstream (DoRA's norms, merging, logging, analysis, export) asks a layer for `factors()` and `scale` and is
written once against those; no member of an axis knows another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from core.component import Component
from core.layers import LayerInfo, LayerPlan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Generator, Tensor
    from torch.nn import Module

    from core.adapters.adapted import Adapted
    from core.adapters.attach import Adapters
    from core.adapters.fused import Frozen
    from core.adapters.sight import Sight
    from core.callback import Callback
    from core.config.run import RunConfig
    from core.problem import Problem

ParamRole = Literal["a", "b", "value", "vector", "magnitude", "weight", "head"]
"""What a trained tensor is, for learning rates: in- and out-side factor, values between them, vector, DoRA's m, weight,
head."""


@dataclass(frozen=True, slots=True)
class Param:
    """A tensor that an adapter owns: from this come allocation, freezing, optimizer groups, saving and counting.

    Attributes:
        shape: its size.
        role: which learning-rate group it belongs to.
        fill: how it starts: "zero", "kaiming" (uniform in 1/sqrt(in)), "he" (uniform in sqrt(6/in)), "normal" with
            `std`, or "constant" with `std` as its value.
        std: see `fill`.
        trainable: whether the optimizer sees it.
        shared: a key under which all layers hold one and the same tensor (VeRA), sliced from one of the largest shape;
            None for the layer's own.
        rank_dim: the dimension that counts the rank, along which DyLoRA cuts; None where there is none.
    """

    shape: tuple[int, ...]
    role: ParamRole
    fill: Literal["zero", "kaiming", "he", "normal", "constant"] = "zero"
    std: float = 1.0
    trainable: bool = True
    shared: str | None = None
    rank_dim: int | None = None

    @property
    def numel(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class Delta(Component):
    """How the change of a weight is parameterised: dW = scale * B' A'."""

    formula: ClassVar[str] = ""
    """The trained numbers of a layer in words, where they are no plain products of r, in and out."""
    itself: ClassVar[str] = ""
    """The name of the tensor that is dW without its scale, where one is."""

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        """The tensors that one layer needs, by name."""
        raise NotImplementedError

    def factors(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """`(B', A')` of shapes (out, r) and (r, in) with dW = scale * B' A'."""
        raise NotImplementedError

    def products(self, p: Mapping[str, Tensor]) -> Sequence[tuple[Tensor, Tensor]]:
        """`(B, A)` whose Kronecker product is dW / scale, for its singular values; empty where there are none."""
        return (self.factors(p),)

    def branch(self, p: Mapping[str, Tensor], x: Tensor, scale: float) -> Tensor:
        """The output of the adapter: x (..., in) to (..., out). The scale goes on the r numbers, not on the many."""
        b, a = self.thin(p)
        return ((x @ a.T) * scale) @ b.T

    def thin(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The factors to compute with: `over_frozen` where there is one, else `factors`."""
        return self.over_frozen(p) or self.factors(p)

    def weight(self, p: Mapping[str, Tensor]) -> Tensor:
        """B' A' as one (out, in) matrix: for merging, never for measuring."""
        b, a = self.factors(p)
        return b @ a

    def measured(self, layers: Sequence[Adapted]) -> Mapping[str, NDArray[np.float32]]:
        """One number per layer of its own to be measured after a step, by key; a few operations for all together."""
        return {}

    def linear(self, p: Mapping[str, Tensor], x: Tensor, frozen: Frozen, scale: float) -> Tensor:
        """The output of a frozen weight and the adapter together, where all are numbers of one type."""
        from core.adapters.fused import low_rank_linear

        b, a = self.thin(p)
        return low_rank_linear(x, frozen, a, b, scale)

    def over_frozen(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
        """`(B', A)` with dW = scale * B' A and an A that never changes, so that neither does W A^T, nor need a layer's
        input be kept for A's gradient; None if none."""
        return None


class DenseDelta(Delta):
    """A change that no two thin matrices make up: a member says what `weight` is, and the layer computes with that."""

    because = dict.fromkeys(
        ("both_factors", "factors", "frozen_a", "own_rank", "pair", "sliced", "triplets"),
        "its change is no single product B A",
    )
    wary: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"shares_layers": "LoRA-drop over a change that is no product B A is in no paper."}
    )

    def weight(self, p: Mapping[str, Tensor]) -> Tensor:
        """dW without its scale, (out, in)."""
        raise NotImplementedError

    def factors(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The change itself and the identity: exact for whoever looks into an adapter, but nothing to compute with."""
        import torch

        weight = self.weight(p)
        return weight, torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)

    def products(self, p: Mapping[str, Tensor]) -> Sequence[tuple[Tensor, Tensor]]:
        # Not the change and the identity: that would be more work than the change as it is.
        return ()

    def branch(self, p: Mapping[str, Tensor], x: Tensor, scale: float) -> Tensor:
        return x @ (self.weight(p) * scale).T

    def linear(self, p: Mapping[str, Tensor], x: Tensor, frozen: Frozen, scale: float) -> Tensor:
        from core.adapters.fused import dense_linear

        return dense_linear(x, frozen, self.weight(p), scale)


def declared(
    plan: LayerPlan,
    delta: Delta,
    magnitude: Magnitude,
    base_update: BaseUpdate | None = None,
    init: Init | None = None,
) -> dict[str, Param]:
    """All tensors of one layer's adapter by name; those of the delta are common to all plans with one `shared` name.

    Row lengths and what a base has taken up are each layer's own: they follow from its own base weight.
    """
    params = delta.params(plan)
    if plan.shared:
        params = {
            name: replace(param, shared=f"{plan.shared}.{name}", trainable=param.trainable and plan.trained)
            if param.shared is None
            else param
            for name, param in params.items()
        }
    taken_up = {} if base_update is None else base_update.params(plan)
    start = {} if init is None else init.params(plan)
    return {**params, **magnitude.params(plan), **taken_up, **start}


class Scale(Component):
    """The factor in front of B A. Everybody asks the layer for it; nobody works it out again."""

    def of(self, alpha: float, rank: int) -> float:
        """The factor for a layer of this alpha and active rank."""
        raise NotImplementedError


class Magnitude(Component):
    """What is done to the rows of W0 + dW."""

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        """The tensors that one layer needs for it, by name."""
        return {}

    def begin(self, layer: Adapted) -> None:
        """Set first values that depend on the base weight; called once, when the layer is made."""

    def forward(self, layer: Adapted, x: Tensor) -> Tensor:
        """The layer's output for x (..., in), adapter included."""
        raise NotImplementedError

    def merge(self, layer: Adapted, weight: Tensor) -> Tensor:
        """The (out, in) weight to keep, from W0 + dW in float32 or float64."""
        raise NotImplementedError

    def measured(self, layers: Sequence[Adapted]) -> Mapping[str, NDArray[np.float32]]:
        """One number per layer of its own to be measured after a step, by key; a few operations for all together."""
        return {}


@dataclass(frozen=True, slots=True)
class Found:
    """What a start has found in the data.

    Attributes:
        plans: the layers, perhaps of other ranks; those that are worth no rank are left out.
        values: first values by `layer.tensor`.
        notes: sentences for the user.
    """

    plans: Sequence[LayerPlan]
    values: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


class Carrying(Component):
    """A member that may stand for a change of the base weight itself, beside what the adapter is trained to add."""

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        """The tensors that one layer needs for it, by name; never trained."""
        return {}

    def begin(self, layer: Adapted) -> None:
        """Set first values that follow from the base weight; called once, and not where saved values take over."""

    def carried(self, layer: Adapted) -> tuple[Tensor, Tensor] | None:
        """What the base gives up or has taken up, as `(B, A)` with a change of scale * B A; None if nothing.

        No gradient goes to the adapter from it.
        """
        return None

    def since(self, layer: Adapted, b: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """The factors of the change with that of the base in it, from those without, (out, k) and (k, in)."""
        return b, a


class Init(Carrying):
    """Where the adapter starts."""

    def looks(self) -> int:
        """How many batches of the run it wants to see before the first step; 0 where it asks nothing of the data.

        One that does starts as the delta's own start does until it has seen them.
        """
        return 0

    def seen(self, sight: Sight, plans: Sequence[LayerPlan], scale: Scale) -> Found:
        """What follows from the data, for adapters of these plans; only asked of those that look."""
        raise NotImplementedError

    def measured(self, layers: Sequence[Adapted]) -> Mapping[str, NDArray[np.float32]]:
        """One number per layer of its own to be measured after a step, by key."""
        return {}

    def fill(self, name: str, param: Param, generator: Generator) -> Tensor:
        """The first value of a tensor, in float32 on the CPU, so that a seed means the same everywhere."""
        raise NotImplementedError


class Acting(Component):
    """A member that acts during the training, through callbacks, so that the trainer knows no method by name."""

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        """What takes part in the run; empty where the member only declares something."""
        return []

    def doubts(self, config: RunConfig, path: str) -> Iterator[Problem]:
        """What the options of the whole run say against its own; `path` is the option that it is chosen with."""
        yield from ()


class Rates(Acting):
    """How parameter roles map to learning rates (the optimizer's axis); the optimizer itself is `train.optimizer`."""

    def ratio(self, role: ParamRole) -> float:
        """The factor on the learning rate for parameters of this role."""
        raise NotImplementedError


class RankSchedule(Acting):
    """Who moves the ranks during training, and when."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A short training of all candidate layers, to find out which are worth it.

    Attributes:
        sample_ratio: share of the training examples that it sees.
        steps: how long it is.
    """

    sample_ratio: float
    steps: int


class Selection(Component):
    """How the layers to train are found among those that `adapter.layers` names."""

    formula: ClassVar[str] = ""
    """The trained numbers in words, where they are none of the chosen layers'."""

    def candidates(self, chosen: Sequence[LayerPlan], vectors: Sequence[LayerInfo]) -> list[LayerPlan]:
        """What may be trained.

        Args:
            chosen: the layers that `adapter.layers` names; or what was found here before, which is given back.
            vectors: the model's biases and norms.
        """
        return list(chosen)

    def probe(self) -> Probe | None:
        """What has to be tried before the layers are known; None where they are."""
        return None

    def keep(self, plans: Sequence[LayerPlan], importance: Mapping[str, float]) -> frozenset[str]:
        """The names of the layers to keep, from the importance (0 or more) that the probe found for each candidate."""
        return frozenset(plan.name for plan in plans)

    def arranged(self, plans: Sequence[LayerPlan], kept: Collection[str]) -> list[LayerPlan]:
        """What to train, once the layers to keep are known: the candidates, some of them changed or left out."""
        return list(plans)


class BaseUpdate(Carrying, Acting):
    """What happens to the base weights themselves while the adapter trains."""

    def weight(self, layer: Adapted) -> Tensor | None:
        """The (out, in) weight that holds what was taken up, in place of the frozen one; None where that is left."""
        return None


class Storage(Acting):
    """How the frozen weights of the base model's blocks are held in memory; by itself, as they are.

    Attributes:
        library: bytes of the library that reads its codes on a processor, for the forecast.
    """

    library: ClassVar[int] = 0

    def bytes_per_weight(self, compute_bytes: int, columns: int) -> float:
        """Memory of one weight of an adaptable matrix, for the forecast.

        Args:
            compute_bytes: of a number in the compute precision, 2 or 4.
            columns: inputs of the layer, for what is kept once a row.
        """
        raise NotImplementedError

    def hold(self, module: Module) -> Module:
        """What takes the place of a frozen `nn.Linear` or `Conv1D`: a module that stores less, or itself."""
        return module

    def weight(self, module: Module, gain: Tensor | None = None) -> Tensor:
        """The (out, in) floating-point weight that `module` computes with, a view where the storage allows one.

        Its rows times a gain, (out,), where one is given.
        """
        from transformers.pytorch_utils import Conv1D

        weight: Tensor = module.get_parameter("weight")
        weight = weight.T if isinstance(module, Conv1D) else weight
        return weight if gain is None else weight * gain[:, None]

    def rounded(self, weight: Tensor) -> Tensor:
        """The (out, in) weight that a layer computes with once it is held, in float32 unless it is the very same."""
        return weight
