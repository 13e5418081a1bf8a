"""DyLoRA: another rank is drawn at every step, so that every rank up to the largest can be used afterwards."""

from __future__ import annotations

import random
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from core.adapters.axis import RankSchedule
from core.callback import Callback
from core.component import option
from core.figures.figure import Axis
from core.figures.live.by_value import ByValue
from core.figures.live.counts import Counts
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor
    from torch.optim import Optimizer

    from core.adapters.attach import Adapters
    from core.adapters.rank.held_rows import HeldRows
    from core.config.run import RunConfig


class Dylora(RankSchedule):
    """Trains all ranks at once: each step uses only the first b rows, with b drawn anew (arXiv:2210.07558).

    The scale is alpha / b. After the training any rank can be cut off and exported: a rank search in one run.
    As in the published code, AdamW's momentum still moves rows above b a little, unless they are held.
    """

    kind = "dylora"
    label = "Drawn each step (DyLoRA)"
    paper = "2210.07558"
    needs = frozenset({"rank", "sliced"})
    provides = frozenset({"every_rank"})
    because = MappingProxyType(
        {
            "fixed_rank": "DyLoRA works with another rank at every step",
            "sliced": "every step uses the first b rows and columns only",
        }
    )

    shows = (
        ByValue(
            key="dylora-loss",
            title="Loss by rank",
            help="Mean training loss of the last steps at each rank. Where the line stops falling, more rank is not "
            "worth its size; Insight measures the same on held-out examples.",
            paper="2210.07558",
            curve="loss",
            by="active_rank",
            value=Axis("Loss"),
            x=Axis("Rank"),
        ),
        Counts(
            key="dylora-ranks",
            title="Ranks drawn",
            help="How many steps were trained at each rank so far.",
            paper="2210.07558",
            curve="active_rank",
            value=Axis("Rank"),
        ),
    )

    lowest: int = option(1, "Lowest rank", "The smallest rank that is drawn.", ge=1)
    distribution: Literal["uniform", "geometric"] = option(
        "uniform", "Distribution", "Uniform treats all ranks alike; geometric favours the small ones."
    )
    probability: float = option(
        0.15, "Geometric p", "The larger, the more small ranks are favoured.", gt=0, lt=1, advanced=True
    )
    frozen: bool = option(
        False,
        "Only the last row",
        "Frozen DyLoRA: of the b rows in use only the b-th gets a gradient. Faster, less exact.",
    )
    leak: Literal["allow", "mask"] = option(
        "allow",
        "Rows not in use",
        "Allow: the optimizer's momentum and decay still move them, as in the published code. Mask: they are held, and "
        "each row counts its own steps; AdamW in 32 bits or SGD.",
        advanced=True,
    )

    def doubts(self, config: RunConfig, path: str) -> Iterator[Problem]:
        rank = config.adapter.rank
        if self.lowest > rank and not config.adapter.ranks:
            text = f"DyLoRA draws ranks from {self.lowest} on, and the largest is {rank}: there is nothing to draw."
            yield Problem(path, text, f"Set adapter.rank_schedule.lowest to {rank} or less.")
        if self.leak == "mask" and config.train.optimizer.kind not in ("adamw", "sgd"):
            text = f"{config.train.optimizer.label} keeps its state in a form of its own: no row can be held."
            yield Problem(path, text, "Set train.optimizer to adamw, or adapter.rank_schedule.leak to allow.")

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Drawing(self, adapters, config.seed)]

    def draw(self, seed: int, step: int, highest: int) -> int:
        """The rank of a step: a function of seed and step alone, so that a resumed run draws the same."""
        lowest = min(self.lowest, highest)
        ranks = range(lowest, highest + 1)
        weights = [
            1.0 if self.distribution == "uniform" else (1 - self.probability) ** (rank - lowest) for rank in ranks
        ]
        return random.Random(f"{seed}/rank/{step}").choices(ranks, weights)[0]


class Drawing(Callback):
    """Sets the drawn rank before the forward pass and the full one after the step."""

    name = "dylora"

    def __init__(self, rule: Dylora, adapters: Adapters, seed: int) -> None:
        self.rule = rule
        self.adapters = adapters
        self.seed = seed
        self.highest = max(layer.plan.rank for layer in adapters.layers.values())
        self.active = self.highest
        self.held: HeldRows | None = None

    def meet(self, optimizer: Optimizer) -> None:
        from core.adapters.rank.held_rows import HeldRows

        if self.rule.leak == "mask":
            self.held = HeldRows(self.adapters, optimizer)

    def before_step(self, step: int) -> None:
        self.active = self.rule.draw(self.seed, step, self.highest)
        for layer in self.adapters.layers.values():
            layer.active_rank = min(self.active, layer.plan.rank)

    def after_backward(self) -> None:
        if not self.rule.frozen:
            return
        for layer in self.adapters.layers.values():
            for name, parameter in layer.own.items():
                dim = layer.declared[name].rank_dim
                if dim is not None and parameter.grad is not None:
                    parameter.grad.narrow(dim, 0, layer.active_rank - 1).zero_()

    def before_optimizer(self) -> None:
        if self.held is not None:
            self.held.remember()

    def after_optimizer(self) -> None:
        if self.held is not None:
            self.held.put_back(
                {
                    name: slice(layer.active_rank - 1 if self.rule.frozen else 0, layer.active_rank)
                    for name, layer in self.adapters.layers.items()
                }
            )

    def after_step(self, step: int) -> None:
        for layer in self.adapters.layers.values():
            layer.active_rank = layer.plan.rank

    def state(self) -> dict[str, Tensor]:
        steps = {} if self.held is None else self.held.steps
        return {f"{layer}/{key}": counted for (layer, key), counted in steps.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        if self.held is not None:
            for place, counted in self.held.steps.items():
                counted.copy_(state["/".join(place)])

    def points(self) -> Mapping[str, float]:
        return {"active_rank": float(self.active)}
