"""What the layer map can be coloured by: a number for each layer, and how the legend names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.words import number
from core.config.forecast import count
from core.config.run import AdapterConfig
from core.errors import UserError
from core.layers import LayerPlan
from core.store.store import Store

NORM = "relative_norm"
"""The vector of a run that is shown: the size of the change beside that of the weight."""
_RUNS_LOOKED_AT = 12
_RUNS_OFFERED = 3


@dataclass(frozen=True)
class Measure:
    """A number for each layer.

    Attributes:
        values: layer name to its number.
        name: what the legend calls it.
        low, high: the ends of the colour bar, in words.
        bottom, top: the same as numbers.
    """

    values: Mapping[str, float]
    name: str
    low: str
    high: str
    bottom: float
    top: float

    @property
    def shares(self) -> dict[str, float]:
        """The numbers as 0 (lowest colour) to 1 (highest)."""
        span = self.top - self.bottom
        return {name: (value - self.bottom) / span if span else 0.6 for name, value in self.values.items()}


def parameters(every: Mapping[str, LayerPlan], adapter: AdapterConfig) -> Measure:
    """The numbers that the adapter of each layer trains, or would."""
    sizes: dict[tuple[int, int, int], int] = {}
    values: dict[str, float] = {}
    for name, plan in every.items():
        shape = (plan.layer.out_features, plan.layer.in_features, plan.rank)
        if shape not in sizes:
            sizes[shape] = count([plan], adapter)
        values[name] = sizes[shape]
    top = max(values.values(), default=0.0)
    return Measure(values, "trainable parameters", "0", number(round(top)), 0.0, top)


def ranks(every: Mapping[str, LayerPlan], chosen: frozenset[str]) -> Measure:
    """The rank of each chosen layer; the others have none."""
    values = {name: float(plan.rank) for name, plan in every.items() if name in chosen}
    top = max(values.values(), default=0.0)
    return Measure(values, "rank", "0", f"{top:.0f}", 0.0, top)


def weights(every: Mapping[str, LayerPlan]) -> Measure:
    """The size of each frozen weight."""
    values = {name: float(plan.layer.parameters) for name, plan in every.items()}
    top = max(values.values(), default=0.0)
    return Measure(values, "weights in the layer", "0", number(round(top)), 0.0, top)


def runs_with_norms(store: Store, names: frozenset[str]) -> dict[str, str]:
    """The newest runs that measured layers of this model: id to name."""
    found: dict[str, str] = {}
    for row in store.runs(most=_RUNS_LOOKED_AT):
        if NORM in store.vector_keys(row.id) and any(layer.name in names for layer in store.layers(row.id)):
            found[row.id] = row.name
        if len(found) == _RUNS_OFFERED:
            break
    return found


def norm_of_run(store: Store, run_id: str) -> Measure | None:
    """How far the run has moved each layer, at its last step; None where it is gone or has measured nothing."""
    try:
        layers = store.layers(run_id)
        newest = store.newest_vector(run_id, NORM)
    except UserError:
        return None
    if newest is None:
        return None
    values = {layer.name: float(value) for layer, value in zip(layers, newest, strict=True)}
    top = max(values.values(), default=0.0)
    return Measure(values, "change beside the weight", "0", f"{top:.2%}", 0.0, top)
