"""EVA: A starts as the main directions of what the layer is fed, and ranks go where these explain most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Found, Init, Param, Scale
from core.adapters.init.from_start import FROM_START, from_start
from core.adapters.init.start import start
from core.component import option
from core.layers import LayerPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Generator, Tensor

    from core.adapters.adapted import Adapted
    from core.adapters.init.principal import Principal
    from core.adapters.sight import Sight


class Eva(Init):
    """A starts as the main directions of the layer's inputs, B as zero (EVA, arXiv:2410.07170).

    A few batches go through the model first, without training. Layers whose inputs need more directions are then given
    more rank, and others less, at the same sum; a layer may end up with none. The scale of each layer stays as it was.
    Works over a quantised base.
    """

    kind = "eva"
    label = "Main directions of the inputs (EVA)"
    paper = "2410.07170"
    needs = frozenset({"factors", "own_rank", "own_layers"})
    shows = (FROM_START,)
    because = MappingProxyType({"own_rank": "it gives out the ranks itself, by what the inputs need"})

    rho: float = option(
        2.0, "Spread of ranks ρ", "A layer may get up to so many times its rank; at 1 every layer keeps its own.", ge=1
    )
    tau: float = option(
        0.99,
        "Settled at τ",
        "A layer has seen enough when its directions turn less from batch to batch than this cosine.",
        ge=-1,
        le=1,
        advanced=True,
    )
    batches: int = option(32, "Batches", "Seen at most, where directions do not settle earlier.", unit="batches", ge=1)

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        # Kept, since what was learned of A cannot be told from the seed.
        return {"start_a": Param((plan.rank, plan.layer.in_features), role="a", trainable=False, rank_dim=0)}

    def fill(self, name: str, param: Param, generator: Generator) -> Tensor:
        return start(param.shape, param.fill, param.std, generator)

    def measured(self, layers: Sequence[Adapted]) -> Mapping[str, NDArray[np.float32]]:
        return from_start(layers)

    def looks(self) -> int:
        return self.batches

    def seen(self, sight: Sight, plans: Sequence[LayerPlan], scale: Scale) -> Found:
        most = {plan.name: min(round(self.rho * plan.rank), plan.layer.in_features) for plan in plans}
        budget = sum(plan.rank for plan in plans)
        found: dict[str, Principal] = {}
        ranks = most
        for place, batch in enumerate(sight.batches):
            listening = self._unsettled(found, ranks)
            if not listening:
                break
            sight.tell(place / len(sight.batches))
            _listen(sight, batch, listening, most, found)
            ranks = {**dict.fromkeys(most, 0), **redistributed(found, budget)}
        for one in found.values():
            one.finish()
        ranks = redistributed(found, budget)
        chosen = [_resized(plan, ranks[plan.name], scale) for plan in plans if ranks.get(plan.name)]
        values: dict[str, Tensor] = {}
        for plan in chosen:
            values[f"{plan.name}.a"] = values[f"{plan.name}.start_a"] = found[plan.name].directions[: plan.rank].float()
        moving = len(self._unsettled(found, ranks))
        note = (
            f"EVA: the directions of {moving} of {len(plans)} layers still turned after {len(sight.batches)} batches."
        )
        return Found(chosen, values, (note,) if moving else ())

    def _unsettled(self, found: Mapping[str, Principal], ranks: Mapping[str, int]) -> list[str]:
        """The layers of which a direction that they would be given has not come to rest."""
        return [name for name, rank in ranks.items() if name not in found or not found[name].rests(rank, self.tau)]


def _listen(
    sight: Sight, batch: object, listening: Sequence[str], most: Mapping[str, int], found: dict[str, Principal]
) -> None:
    """Add what these layers are fed. Layers that are fed the same, and want as much of it, have one sum together."""
    from core.adapters.init.principal import Principal

    last: list[tuple[Tensor, Principal]] = []
    added: set[int] = set()

    def hear(name: str, rows: Tensor) -> None:
        if name not in found:
            same = last and last[0][0] is rows and last[0][1].wanted == most[name]
            found[name] = last[0][1] if same else Principal(most[name])
        if id(found[name]) not in added:
            added.add(id(found[name]))
            found[name].add(rows)
        last[:] = [(rows, found[name])]

    sight.inputs(batch, listening, hear)


def redistributed(found: Mapping[str, Principal], ranks: int) -> dict[str, int]:
    """How many of its directions each layer is given, where the ones that explain most of their layer come first.

    Args:
        found: by layer, what it is fed.
        ranks: to be given in all.
    """
    import torch

    if not found:
        return {}
    owners = [name for name, one in found.items() for _ in one.shares]
    order = torch.cat([one.shares for one in found.values()]).argsort(descending=True, stable=True)[:ranks]
    given = dict.fromkeys(found, 0)
    for place in order.tolist():
        given[owners[place]] += 1
    return given


def _resized(plan: LayerPlan, rank: int, scale: Scale) -> LayerPlan:
    """The plan at another rank, with the alpha at which its scale stays."""
    if rank == plan.rank:
        return plan
    return replace(plan, rank=rank, alpha=plan.alpha * scale.of(plan.alpha, plan.rank) / scale.of(plan.alpha, rank))
