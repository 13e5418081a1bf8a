"""LoRA+: a faster rate for the out-side factor."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import ParamRole, Rates
from core.callback import Callback
from core.component import option
from core.figures.figure import Axis
from core.figures.live.layer_map import LayerMap
from core.figures.live.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from core.adapters.adapted import Adapted
    from core.adapters.attach import Adapters
    from core.config.run import RunConfig


class LoraPlus(Rates):
    """B learns `ratio` times faster than A (LoRA+, arXiv:2402.12354); the learning rate is A's.

    Start about half as high as for LoRA. Vectors, magnitudes and heads keep the rate as given. Wide models gain most.
    """

    kind = "lora+"
    label = "B faster than A (LoRA+)"
    paper = "2402.12354"
    needs = frozenset({"pair"})
    provides = frozenset({"rates_apart"})
    pace = 0.5
    because = MappingProxyType(
        {"pair": "without them a ratio is only another learning rate, so raise train.learning_rate instead"}
    )

    shows = (
        Spread(
            key="lora+-updates",
            title="Updates of A and of B",
            help="Length of each step of A and of B over the length of the matrix itself, in the middle layer. With a "
            "good ratio the two are of similar size, once B has grown.",
            paper="2402.12354",
            of={"update_a": "A", "update_b": "B"},
            value=Axis("Update / matrix"),
            log=True,
        ),
        LayerMap(
            key="lora+-ratio",
            title="How much further B moves than A",
            help="Length of the step of B over that of A, layer by layer.",
            paper="2402.12354",
            vector="update_ratio",
            value=Axis("Step of B / step of A"),
        ),
    )

    ratio_b: float = option(16.0, "Ratio B : A", "How many times faster B learns; the authors use 8 to 32.", gt=0)

    def ratio(self, role: ParamRole) -> float:
        return self.ratio_b if role in ("b", "value") else 1.0

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Stepping(adapters, config)]


class Stepping(Callback):
    """Measures how far a step moves A and B, at the steps whose layers are measured; at others it does nothing."""

    def __init__(self, adapters: Adapters, config: RunConfig) -> None:
        self.layers = list(adapters.layers.values())
        self.steps, self.every = config.train.steps, config.train.measure_every
        self.before: dict[int, Tensor] = {}
        self.due = False

    def before_step(self, step: int) -> None:
        self.due = (step + 1) % self.every == 0 or step + 1 == self.steps

    def before_optimizer(self) -> None:
        import torch

        if self.due:
            found = {id(tensor): tensor for layer in self.layers for role in "ab" for tensor in _of(layer, role)}
            with torch.no_grad():
                copies = torch._foreach_mul(list(found.values()), 1.0)
            self.before = dict(zip(found, copies, strict=True))

    def vectors(self) -> Mapping[str, Sequence[float]]:
        """`update_a` and `update_b`, the length of a step over that of the matrix; `update_ratio`, of B's over A's.

        The matrices are those after the step, so that a B that starts from zero begins at 1.
        """
        import torch

        if not self.before:
            return {}
        tensors = {id(tensor): tensor for layer in self.layers for role in "ab" for tensor in _of(layer, role)}
        with torch.no_grad():
            moved = torch._foreach_sub(list(tensors.values()), [self.before[key] for key in tensors])
            sizes = torch.stack([*torch._foreach_norm(moved), *torch._foreach_norm(list(tensors.values()))]).cpu()
        self.before = {}
        steps = dict(zip(tensors, sizes[: len(tensors)].square().tolist(), strict=True))
        whole = dict(zip(tensors, sizes[len(tensors) :].square().tolist(), strict=True))
        found: dict[str, list[float]] = {"update_a": [], "update_b": [], "update_ratio": []}
        for layer in self.layers:
            lengths = {}
            for role in "ab":
                keys = [id(tensor) for tensor in _of(layer, role)]
                lengths[role] = math.sqrt(sum(steps[key] for key in keys))
                found[f"update_{role}"].append(_over(lengths[role], math.sqrt(sum(whole[key] for key in keys))))
            found["update_ratio"].append(_over(lengths["b"], lengths["a"]))
        return found


def _of(layer: Adapted, role: str) -> list[Tensor]:
    """The trained tensors of a layer that have this role."""
    return [
        tensor
        for name, tensor in layer.own.items()
        if layer.declared[name].role == role and layer.declared[name].trainable
    ]


def _over(one: float, other: float) -> float:
    return one / other if other else math.nan
