"""What the `importance` job has answered, ready to be shown and acted on: scores by layer, and what may be kept.

The job measures the layers that a configuration or a run adapts. To act on it needs more: all matrices of that model
(to write a selection short) and the sizes that the layers were planned with; both are read without torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.config.forecast import count
from core.config.run import RunConfig
from core.config.select import select
from core.errors import UserError
from core.figures.figure import Axis, Bars, Table
from core.figures.live.of_task import LOSS_UNITS
from core.insight import allocation
from core.insight.allocation import Proposal
from core.insight.importance import SCORES
from core.insight.importance.score import Planted
from core.insight.keeping import kind_of
from core.layers import LayerInfo, LayerPlan
from core.models.catalog import describe

Way = Literal["top", "share", "budget"]
_UNEVEN = 20
"""Times the middle share that the largest may be, for the colours to be spread evenly."""
_SPAN = 1e4
"""Largest share over the smallest that still has a colour of its own."""
BLOCKS_HELP = (
    "The rise of the held-out loss (nats per token where a model writes) when all adapters of a block are switched "
    "off. Below zero the block's adapters do harm on these examples."
)
PAIRS_HELP = (
    "Spearman's correlation of the rankings: 1 where two scores put the layers into the same order, 0 where they have "
    "nothing to do with one another. Scores that disagree ask different questions; none of them is wrong."
)


@dataclass(frozen=True)
class Scored:
    """One score of every measured layer.

    Attributes:
        kind, label, unit, tells: as the registry has them.
        values: layer name to its score; NaN where there is none.
        shares: layer name to its part of the sum, 0 to 1.
    """

    kind: str
    label: str
    unit: str
    tells: str
    values: Mapping[str, float]
    shares: Mapping[str, float]

    @property
    def by_kind(self) -> bool:
        """Whether it compares layers of one kind only: that is how far it is known to find those that matter."""
        return SCORES[self.kind].finds_planted is Planted.OF_KIND

    def places(self) -> dict[str, int]:
        """Layer name to its place, 1 for the highest."""
        order = sorted(self.values, key=lambda name: -_comparable(self.values[name]))
        return {name: place for place, name in enumerate(order, start=1)}


@dataclass(frozen=True)
class Shades:
    """How shares are coloured: evenly from nothing on, or by powers of ten where few layers have nearly everything.

    Attributes:
        places: layer name to its place between the colours, 0 to 1.
        bottom, top: the shares at the ends.
        logarithmic: whether equal factors are equally far apart.
    """

    places: Mapping[str, float]
    bottom: float
    top: float
    logarithmic: bool


def shades(shares: Mapping[str, float]) -> Shades:
    """The colours of shares: a map on which one layer is bright and all others are dark would tell one name."""
    present = sorted(part for part in shares.values() if part > 0)
    top = present[-1] if present else 0.0
    if not present or top < _UNEVEN * present[len(present) // 2]:
        return Shades({name: part / top if top else 0.0 for name, part in shares.items()}, 0.0, top, False)
    bottom = max(present[len(present) // 20], top / _SPAN)
    span = math.log(top / bottom)
    places = {name: math.log(max(part, bottom) / bottom) / span for name, part in shares.items()}
    return Shades(places, bottom, top, True)


@dataclass(frozen=True)
class Importance:
    """A measurement, and the configuration that it is about.

    Attributes:
        name: of the run, or empty for the present configuration.
        config: what was measured.
        layers: those that were measured.
        scores: in the order in which they were asked for.
        agreement: Spearman's correlation of each pair of them; NaN where one ranks nothing.
        blocks: block to the rise of the loss without it; empty where that was not measured.
        source: "base", "probe" or "run".
        step, examples, seconds: of the run, of the sample, and what it took.
        run: id of the run, or empty.
    """

    name: str
    config: RunConfig
    layers: tuple[LayerInfo, ...]
    scores: tuple[Scored, ...]
    agreement: tuple[tuple[float, ...], ...]
    blocks: Mapping[int, float]
    source: str
    step: int
    examples: int
    seconds: float
    run: str = ""

    @classmethod
    def of(cls, result: Mapping[str, Any], *, name: str, config: RunConfig, run: str = "") -> Importance:
        """Read a job's result."""
        layers = tuple(LayerInfo(**layer) for layer in result["layers"])
        names = [layer.name for layer in layers]
        return cls(
            name=name,
            config=config,
            layers=layers,
            scores=tuple(_scored(row, names) for row in result["scores"]),
            agreement=tuple(tuple(_number(value) for value in row) for row in result["agreement"]),
            blocks={int(block): _number(rise) for block, rise in result["blocks"].items()},
            source=result["source"],
            step=result["step"],
            examples=result["examples"],
            seconds=result["seconds"],
            run=run,
        )

    def table(self) -> Table:
        """All scores of all layers."""
        values = np.array([[scored.values[layer.name] for scored in self.scores] for layer in self.layers])
        return Table(
            "Importance of layers", tuple(layer.name for layer in self.layers),
            tuple(Axis(scored.label, scored.unit) for scored in self.scores), values.astype(np.float64),
            " ".join(f"{scored.label}: {scored.tells}" for scored in self.scores),
        )  # fmt: skip

    def agreement_table(self) -> Table:
        """How far the rankings of the scores agree."""
        labels = [scored.label for scored in self.scores]
        values = np.array(self.agreement, dtype=np.float64).reshape(len(labels), len(labels))
        return Table("Agreement of the scores", tuple(labels), tuple(map(Axis, labels)), values, PAIRS_HELP)

    def block_bars(self) -> Bars:
        """What each block is worth, the most valuable first."""
        order = sorted(self.blocks, key=lambda block: -_comparable(self.blocks[block]))
        values = np.array([self.blocks[block] for block in order], dtype=np.float64)
        top = max((value for value in values if math.isfinite(value)), default=0.0)
        shares = np.clip(np.nan_to_num(values / top if top > 0 else values * 0), 0, 1)
        names = tuple(f"block {block}" for block in order)
        value = Axis("Rise of the loss", LOSS_UNITS[self.config.task])
        return Bars("Loss without each block", value, names, values, (), shares, BLOCKS_HELP)


class Ground:
    """What a proposal is made on: the matrices of the model, the measured layers' plans, and their adapter.

    Raises:
        UserError: the model is no longer there, or does not have these layers.
    """

    def __init__(self, measured: Importance) -> None:
        self.adapter = measured.config.adapter
        self.layers: Sequence[LayerInfo] = describe(measured.config.model.path).layers
        names = {layer.name for layer in measured.layers}
        self.plans: list[LayerPlan] = [plan for plan in select(self.layers, self.adapter) if plan.name in names]
        if len(self.plans) != len(names):
            raise UserError(
                "The model no longer has the layers that were measured.", hint="Measure again, of this model."
            )
        self.parameters = count(self.plans, self.adapter)
        sizes: dict[object, int] = {}
        for plan in self.plans:
            sizes[kind_of(plan.layer)] = sizes.get(kind_of(plan.layer), 0) + 1
        self.largest_kind = max(sizes.values(), default=1)
        alike = {(kind_of(plan.layer), plan.rank): plan for plan in self.plans}
        self.cheapest = min((count([plan], self.adapter) // plan.rank for plan in alike.values()), default=1)

    def propose(self, way: Way, scores: Mapping[str, float], amount: float, *, by_kind: bool) -> Proposal:
        """A selection: the first `amount` layers, those that carry the share `amount`, or ranks within a budget."""
        if way == "top":
            found = allocation.keep_top(
                self.layers, self.plans, scores, round(amount), self.adapter, by_kind=by_kind
            )  # fmt: skip
        elif way == "share":
            found = allocation.keep_threshold(self.layers, self.plans, scores, amount, self.adapter, by_kind=by_kind)
        else:
            found = allocation.spend(self.layers, self.plans, scores, round(amount), self.adapter)
        return found


def _scored(row: Mapping[str, Any], names: Sequence[str]) -> Scored:
    return Scored(
        row["kind"], row["label"], row["unit"], row["tells"],
        {name: _number(value) for name, value in zip(names, row["values"], strict=True)},
        dict(zip(names, row["shares"], strict=True)),
    )  # fmt: skip


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _comparable(value: float) -> float:
    return value if math.isfinite(value) else -math.inf
