"""From scores of importance to the next run: fewer layers, or ranks that follow the scores within a budget.

Torch-free and quick, so that the window can move a slider and show the selection with its parameter count at once. The
scale of a layer stays what it was when its rank changes: its alpha follows by the rule of the adapter's scale.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.adapters.axis import Scale, Selection
from core.config.compact import compact
from core.config.edit import replaced
from core.config.forecast import count
from core.config.run import AdapterConfig, RunConfig
from core.errors import UserError
from core.insight.keeping import threshold, top
from core.layers import LayerInfo, LayerPlan

HIGHEST = 256
"""The rank that no layer is given more than."""
_HALVINGS = 40
"""How closely the bound of what is dealt out at once is found: beyond, ranks follow one by one."""


@dataclass(frozen=True)
class Proposal:
    """A selection for the next run.

    Attributes:
        plans: the layers to train, in the model's order, with rank and alpha.
        parameters: how many numbers that trains.
        changes: dotted path to value, for `core.config.edit.replaced`.
    """

    plans: tuple[LayerPlan, ...]
    parameters: int
    changes: Mapping[str, Any]

    def applied(self, config: RunConfig) -> RunConfig:
        """The configuration of the next run."""
        return replaced(config, self.changes)


def keep_top(
    layers: Sequence[LayerInfo],
    plans: Sequence[LayerPlan],
    scores: Mapping[str, float],
    number: int,
    adapter: AdapterConfig,
    *,
    by_kind: bool = False,
) -> Proposal:
    """The `number` layers of highest score, of all together or of each kind, as they were planned.

    Args:
        layers: all matrices of the model, for writing the selection short.
        plans: the candidates.
        scores: layer name to its score.
        number: of layers to keep.
        adapter: of the run.
        by_kind: whether layers compete with their own kind only.
    """
    return _kept(layers, plans, top(_infos(plans), scores, number, by_kind=by_kind), adapter)


def keep_threshold(
    layers: Sequence[LayerInfo],
    plans: Sequence[LayerPlan],
    scores: Mapping[str, float],
    share: float,
    adapter: AdapterConfig,
    *,
    by_kind: bool = True,
) -> Proposal:
    """The fewest layers that carry `share` of all importance (of their kind), as LoRA-drop chooses them."""
    return _kept(layers, plans, threshold(_infos(plans), scores, share, by_kind=by_kind), adapter)


def spend(
    layers: Sequence[LayerInfo],
    plans: Sequence[LayerPlan],
    scores: Mapping[str, float],
    budget: int,
    adapter: AdapterConfig,
    *,
    highest: int = HIGHEST,
) -> Proposal:
    """Ranks in proportion to the scores, for at most `budget` trained numbers.

    One rank at a time goes to the layer whose score for each rank it would then have is highest (D'Hondt's rule for
    seats), as long as one can be paid for; a layer that gets none is left out.

    Args:
        layers, plans, scores, adapter: as in `keep_top`.
        budget: trained numbers, at most.
        highest: rank that no layer gets more than; nor does one get more than its smaller side.

    Raises:
        UserError: not even one rank of one layer can be paid for.
    """
    prices = _prices(plans, adapter)
    able = [plan for plan in plans if math.isfinite(scores[plan.name]) and scores[plan.name] > 0]
    most = [min(highest, plan.layer.out_features, plan.layer.in_features) for plan in able]
    dealt, left = _dealt([scores[plan.name] for plan in able], [prices[plan.name] for plan in able], most, budget)
    ranks = Counter({plan.name: rank for plan, rank in zip(able, dealt, strict=True) if rank})
    waiting = [
        (-scores[plan.name] / (rank + 1), place, plan.name)
        for place, (plan, rank) in enumerate(zip(able, dealt, strict=True))
        if rank < most[place]
    ]
    heapq.heapify(waiting)
    while waiting:
        _, place, name = heapq.heappop(waiting)
        first, further = prices[name]
        price = further if ranks[name] else first
        if price > left:
            continue
        left -= price
        ranks[name] += 1
        if ranks[name] < most[place]:
            heapq.heappush(waiting, (-scores[name] / (ranks[name] + 1), place, name))
    if not ranks:
        least = min((price for price, _ in prices.values()), default=0)
        raise UserError(
            f"{budget:,} parameters are too few for any of these layers.", hint=f"The smallest takes {least:,}."
        )
    return _proposal(
        layers, [_with_rank(plan, ranks[plan.name], adapter) for plan in plans if ranks[plan.name]], adapter
    )


def _dealt(
    scores: Sequence[float], prices: Sequence[tuple[int, int]], most: Sequence[int], budget: int
) -> tuple[list[int], int]:
    """The ranks that come before money is short, and what is left then: all those whose share is above one bound.

    Dealing out tens of thousands one by one would take longer than a frame; the bound is found by halving.
    """
    of, (first, further) = np.array(scores), np.array(prices, dtype=np.int64).reshape(-1, 2).T
    ranks, left = np.zeros(len(of), dtype=np.int64), budget
    low, high = 0.0, float(of.max(initial=0.0))
    for _ in range(_HALVINGS):
        bound = (low + high) / 2
        if not low < bound < high:
            break
        more = np.floor(of / bound)
        more += of / (more + 1) >= bound  # the quotient was rounded
        more -= of / np.maximum(more, 1) < bound * (more > 0)
        more = np.minimum(more, most).astype(np.int64)
        cost = int(np.sum(np.where(more > 0, first + (more - 1) * further, 0)))
        if cost <= budget:
            ranks, left, high = more, budget - cost, bound
        else:
            low = bound
    return ranks.tolist(), left


def _prices(plans: Sequence[LayerPlan], adapter: AdapterConfig) -> dict[str, tuple[int, int]]:
    """The price of each layer by name; those of one make have one."""
    priced = {make: _price(plan, adapter) for make, plan in {plan.make: plan for plan in plans}.items()}
    return {plan.name: priced[plan.make] for plan in plans}


def _price(plan: LayerPlan, adapter: AdapterConfig) -> tuple[int, int]:
    """Numbers of the first rank of a layer, and of each further one: every adapter's count is a line in the rank."""
    one, two = (count([replace(plan, rank=rank)], adapter) for rank in (1, 2))
    return one, two - one


def _with_rank(plan: LayerPlan, rank: int, adapter: AdapterConfig) -> LayerPlan:
    """The plan at another rank, with the alpha that gives it the scale it had."""
    scale = adapter.axis("scale")
    assert isinstance(scale, Scale)
    before, after = scale.of(plan.alpha, plan.rank), scale.of(plan.alpha, rank)
    return replace(plan, rank=rank, alpha=plan.alpha * before / after)


def _infos(plans: Sequence[LayerPlan]) -> list[LayerInfo]:
    return [plan.layer for plan in plans]


def _kept(
    layers: Sequence[LayerInfo], plans: Sequence[LayerPlan], names: Collection[str], adapter: AdapterConfig
) -> Proposal:
    return _proposal(layers, [plan for plan in plans if plan.name in names], adapter)


def _proposal(layers: Sequence[LayerInfo], plans: Sequence[LayerPlan], adapter: AdapterConfig) -> Proposal:
    """Write the plans as a run file would: what most layers have for all, the others by name."""
    if not plans:
        raise UserError("No layer is left.", hint="Keep at least one.")
    rank, alpha = Counter((plan.rank, plan.alpha) for plan in plans).most_common(1)[0][0]
    changes: dict[str, Any] = {
        "adapter.layers": compact(layers, [plan.name for plan in plans]),
        "adapter.rank": rank,
        "adapter.alpha": alpha,
        "adapter.ranks": {plan.name: plan.rank for plan in plans if plan.rank != rank},
        "adapter.alphas": {plan.name: plan.alpha for plan in plans if plan.alpha != alpha},
    }
    selection = adapter.axis("selection")
    assert isinstance(selection, Selection)
    if selection.probe() is not None:
        changes["adapter.selection"] = "listed"  # The layers are known now; they need not be tried again.
    return Proposal(tuple(plans), count(plans, adapter), changes)
