"""What the laws are judged on: every sensible point of the registries, on tiny models of every shape of layer.

Nothing here names a method: members come from the axes, and a pair is left out only where one member's `needs` are
not met by what the others provide. A new member is under the law from its registry line on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.attach import Adapters, attach
from core.adapters.axis import Init, Scale
from core.adapters.base import BASE_UPDATES
from core.adapters.delta import DELTAS
from core.adapters.init import INITS
from core.adapters.magnitude import MAGNITUDES
from core.adapters.rank import RANK_SCHEDULES
from core.adapters.scale import SCALES
from core.adapters.selection import SELECTIONS
from core.adapters.sight import Sight
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig
from core.layers import LayerInfo, LayerPlan
from core.models.hold import hold
from core.models.walk import walk
from core.optim.rates import RATES
from tests.tiny import VOCABULARY, random_model

FAMILIES = ("llama", "gpt2", "gpt_neox", "bert")
"""Plain linears with grouped heads, transposed Conv1D, fused qkv, an encoder with biases."""
HELD_FAMILIES = ("llama", "gpt2")
"""Those on which every storage is judged: once held, one linear layer is like another."""

DENSE = STORAGES.members[0].kind

torch.set_num_threads(1)


@dataclass(frozen=True)
class Point:
    """One combination of the axes that live in a layer."""

    delta: str
    magnitude: str
    scale: str
    init: str = "default"
    storage: str = DENSE

    def __str__(self) -> str:
        held = () if self.storage == DENSE else (self.storage,)
        return "-".join((self.delta, self.magnitude, self.scale, self.init, *held)).replace("/", "_over_")

    def config(self, **more: Any) -> AdapterConfig:
        """The adapter part of a run with these members and small sizes."""
        axes = {"delta": self.delta, "magnitude": self.magnitude, "scale": self.scale, "init": self.init}
        return AdapterConfig.model_validate({"rank": 4, "alpha": 6.0, **axes, **more})


def points(storage: str = DENSE) -> list[Point]:
    """Every combination over a storage whose needs are met."""
    found = []
    others = (RATES, RANK_SCHEDULES, SELECTIONS, BASE_UPDATES)
    ordinary = frozenset().union(*(axis.default().provides for axis in others))
    for members in product(DELTAS.members, MAGNITUDES.members, SCALES.members, INITS.members):
        provided = ordinary.union(*(member.provides for member in members), STORAGES[storage].provides)
        if all(member.needs <= provided for member in members):
            found.append(Point(*(member.kind for member in members), storage))
    return found


def judged() -> list[tuple[str, Point]]:
    """Families and points: over numbers all of them on the first family, and on the others all with the usual start and
    plain LoRA with every start; over each other storage one for each delta and magnitude."""
    found = [(FAMILIES[0], point) for point in points()]
    for family in FAMILIES[1:]:
        found += [(family, point) for point in points() if point.init == INITS.members[0].kind or _is_plain(point)]
    for member in STORAGES.members[1:]:
        first = {(point.delta, point.magnitude): point for point in reversed(points(member.kind))}
        found += [(family, point) for family in HELD_FAMILIES for point in first.values()]
    return found


def _is_plain(point: Point) -> bool:
    """Whether a point is LoRA but for its start and magnitude."""
    return (point.delta, point.scale) == (DELTAS.members[0].kind, SCALES.members[0].kind)


def base(family: str, storage: str = DENSE) -> nn.Module:
    """A tiny random model, float64 so that laws are exact; shared: what changes it must put it back."""
    return _base(family, storage)


@cache
def _base(family: str, storage: str) -> nn.Module:
    model = random_model(family).eval().requires_grad_(False)
    hold(model, layers(family), STORAGES[storage]())
    return model.double()


@cache
def layers(family: str) -> tuple[LayerInfo, ...]:
    """The layers of that model."""
    return walk(random_model(family))


def plans(family: str, config: AdapterConfig) -> list[LayerPlan]:
    """All adaptable layers of a model, the second of them at a rank of its own."""
    chosen = [layer for layer in layers(family) if layer.adaptable]
    return [LayerPlan(layer, 3 if index == 1 else config.rank, config.alpha) for index, layer in enumerate(chosen)]


def adapt(family: str, point: Point, *, seed: int = 0, fresh: bool = True, **more: Any) -> Adapters:
    """Adapters in float64 on a tiny model; not `fresh` moves every trained tensor at random, as if it had learned."""
    config = point.config(**more)
    model = base(family, point.storage)
    storage = STORAGES[point.storage]()
    adapters = attach(model, plans(family, config), config, seed=seed, storage=storage)
    init, scale = config.axis("init"), config.axis("scale")
    assert isinstance(init, Init) and isinstance(scale, Scale)
    if init.looks():
        found = init.seen(sight(adapters), plans(family, config), scale)
        adapters = attach(adapters.detach(), found.plans, config, seed=seed, storage=storage)
        adapters.take(found.values)
    widen(adapters)
    if not fresh:
        generator = torch.Generator().manual_seed(seed + 1)
        for _, parameter, _ in adapters.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.data.add_(noise, alpha=0.05)
    return adapters


def sight(adapters: Adapters) -> Sight:
    """A few batches for starts that look at data."""
    batches = [tokens(seed=place) for place in range(3)]
    return Sight(adapters, batches, lambda ids: logits(adapters.model, ids).square().mean(), lambda ids: ids > 0)


def widen(adapters: Adapters) -> None:
    """Everything of the adapters in float64, and what depends on the base weight worked out anew in it."""
    for layer in adapters.layers.values():
        layer.own = nn.ParameterDict(
            {name: nn.Parameter(p.data.double(), requires_grad=p.requires_grad) for name, p in layer.own.items()}
        )
        layer.shared = {name: tensor.double() for name, tensor in layer.shared.items()}
        layer.constants.clear()
        layer.magnitude.begin(layer)


def tokens(rows: int = 2, length: int = 9, *, seed: int = 7) -> Tensor:
    """Fixed token ids, (rows, length)."""
    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))


def logits(model: nn.Module, ids: Tensor | None = None) -> Tensor:
    """The model's output for fixed tokens, (rows, length, vocabulary)."""
    result: Tensor = model(input_ids=tokens() if ids is None else ids).logits
    return result
