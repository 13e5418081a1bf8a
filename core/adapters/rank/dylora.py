"""DyLoRA: another rank is drawn at every step, so that every rank up to the largest can be used afterwards."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

from core.adapters.axis import RankSchedule
from core.callback import Callback
from core.component import option
from core.figures.figure import Axis
from core.figures.live.by_value import ByValue
from core.figures.live.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.adapters.attach import Adapters
    from core.config.run import RunConfig


class Dylora(RankSchedule):
    """Trains all ranks at once: each step uses only the first b rows, with b drawn anew (arXiv:2210.07558).

    The scale is alpha / b. After the training any rank can be cut off and exported: a rank search in one run.
    As in the published code, AdamW's momentum still moves rows above b a little.
    """

    kind = "dylora"
    label = "Drawn each step (DyLoRA)"
    paper = "2210.07558"
    needs = frozenset({"rank", "own_rank"})
    provides = frozenset({"every_rank"})

    shows = (
        ByValue(
            key="dylora-loss",
            title="Loss by rank",
            help="Mean training loss of the last steps at each rank. Where the line stops falling, more rank is not "
            "worth its size; Insight measures the same on held-out examples.",
            paper="2210.07558",
            curve="loss",
            by="active_rank",
            value=Axis("Loss", "nats per token"),
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

    def __init__(self, rule: Dylora, adapters: Adapters, seed: int) -> None:
        self.rule = rule
        self.adapters = adapters
        self.seed = seed
        self.highest = max(layer.plan.rank for layer in adapters.layers.values())
        self.active = self.highest

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

    def after_step(self, step: int) -> None:
        for layer in self.adapters.layers.values():
            layer.active_rank = layer.plan.rank

    def points(self) -> Mapping[str, float]:
        return {"active_rank": float(self.active)}
