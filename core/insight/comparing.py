"""Looking at runs beside one another: shared subspaces, where two updates agree, length against direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.errors import UserError
from core.figures import anatomy as figures
from core.figures.run import short_name
from core.insight.anatomy import Tick
from core.insight.decomposition import Trend, movement, trend
from core.insight.opened import BaseWeights, Opened
from core.insight.spectra import norm
from core.insight.subspaces import (
    directions,
    random_similarity,
    read_directions,
    similarity,
    written_directions,
)
from core.layers import LayerInfo

Of = Literal["reads", "writes", "a", "moved"]
SAID: dict[Of, str] = {
    "reads": "what dW reads",
    "writes": "what dW writes",
    "a": "A",
    "moved": "A - A0",
}
"""What can be compared, in words."""


def common(one: Opened, other: Opened) -> list[LayerInfo]:
    """The layers that both runs adapt.

    Raises:
        UserError: there is none, or they are of other shapes.
    """
    shapes = {layer.name: (layer.out_features, layer.in_features) for layer in other.layers}
    found = [layer for layer in one.layers if shapes.get(layer.name) == (layer.out_features, layer.in_features)]
    if not found:
        raise UserError(
            f"{one.name} and {other.name} have no layer in common.", hint="Compare runs of the same base model."
        )
    return found


def subspaces(one: Opened, other: Opened, tick: Tick, *, layer: str = "", of: Of = "reads") -> dict[str, Any]:
    """phi of every common layer, and in full of one: `layer`, or that of the most shared directions.

    Raises:
        UserError: the layer, or each of them, has no direction to compare in one of the runs.
    """
    layers, found = common(one, other), []
    for place, info in enumerate(layers):
        tick(place / len(layers))
        found.append(similarity(_basis(one, info.name, of), _basis(other, info.name, of)).numpy())
    whole = np.array([float(phi[-1, -1]) if phi.size else np.nan for phi in found])
    names = [info.name for info in layers]
    at = names.index(layer) if layer in names else int(np.argmax(np.nan_to_num(whole, nan=-1.0)))
    info, phi = layers[at], found[at]
    if not phi.size:
        raise UserError(
            f"{short_name(info) if layer in names else 'No layer'} has moved in both runs, so no directions of "
            f"{SAID[of]} can be compared.",
            hint="Choose another layer, or another side to compare.",
        )
    width = info.out_features if of == "writes" else info.in_features
    random = random_similarity(phi.shape[0], phi.shape[1], width).numpy()
    said = short_name(info)
    return {
        "phi": figures.similarity(phi, _called(one), _called(other), said, SAID[of]),
        "diagonal": figures.similarity_line(phi, random, said),
        "shared": figures.shared_by_layer(layers, whole),
        "layer": info.name,
        "random": float(random[-1, -1]),
        "by_layer": {"phi": whole.tolist()},
        "layers": [one_of.to_dict() for one_of in layers],
    }


def agreement(one: Opened, other: Opened, tick: Tick) -> dict[str, Any]:
    """The cosine between two runs' updates of each common layer, from factors."""
    layers, cosines = common(one, other), []
    for place, info in enumerate(layers):
        tick(place / len(layers))
        (b1, a1), (b2, a2) = one.factors(info.name), other.factors(info.name)
        size = norm(b1, a1) * norm(b2, a2)
        cosines.append(float(((b1.T @ b2) * (a1 @ a2.T)).sum()) / size if size > 0 else float("nan"))
    values = np.array(cosines)
    return {
        "agreement_map": figures.agreement_map(layers, values, _called(one), _called(other)),
        "agreement": figures.agreement(layers, values, _called(one), _called(other)),
        "layers": [info.to_dict() for info in layers],
        "by_layer": {"cosine": [value if np.isfinite(value) else None for value in cosines]},
    }


@dataclass(frozen=True)
class Moved:
    """How far one run's layers have moved.

    Attributes:
        run, name: its id and what the user calls it.
        layers: those that it adapts.
        steps: of its checkpoints, rising.
        points: direction and length by checkpoint and layer, (checkpoints, layers, 2).
    """

    run: str
    name: str
    layers: Sequence[LayerInfo]
    steps: tuple[int, ...]
    points: NDArray[np.float64]

    @property
    def ranges(self) -> NDArray[np.float64]:
        """Lowest and highest of both, (2, 2): the rows are direction and length."""
        flat = self.points.reshape(-1, 2)
        return np.stack([flat.min(0), flat.max(0)], axis=1)


def moved(opened: Sequence[Opened], weights: BaseWeights, tick: Tick) -> Moved:
    """Length against direction of every layer at every checkpoint of one run."""
    last = opened[-1]
    names = [layer.name for layer in last.layers]
    found = np.zeros((len(opened), len(names), 2))
    for at, layer in enumerate(names):
        weight = weights.weight(layer)
        for place, one in enumerate(opened):
            tick((at + place / len(opened)) / len(names))
            here = movement(weight, *one.factors(layer), lengths=one.lengths(layer))
            found[place, at] = here.direction, here.magnitude
    return Moved(last.run, last.name, last.layers, tuple(one.step for one in opened), found)


def movements(runs: Sequence[Moved], *, until: int | None = None) -> dict[str, Any]:
    """Runs side by side on the same axes, each with its trend; of one run also the trend of each layer.

    Args:
        runs: at least one.
        until: the last step that is shown; None for all. A run that has no checkpoint by then shows its first.
    """
    ranges = np.stack([run.ranges for run in runs])
    ends = np.stack([ranges[:, :, 0].min(0), ranges[:, :, 1].max(0)], axis=1).tolist()
    spans = ((ends[0][0], ends[0][1]), (ends[1][0], ends[1][1])) if len(runs) > 1 or until is not None else None
    shown: dict[str, Any] = {}
    rows: dict[str, tuple[float, ...]] = {}
    for place, run in enumerate(runs):
        count = max(sum(until is None or step <= until for step in run.steps), 1)
        points = run.points[:count].reshape(-1, 2)
        whole = trend(points[:, 0], points[:, 1])
        said = [short_name(layer) for layer in run.layers]
        labels = [f"{layer}, step {step}" for step in run.steps[:count] for layer in said]
        shares = np.repeat(np.arange(1, count + 1) / len(run.steps), len(said))
        line = (whole.intercept, whole.slope)
        key = "movement" if place == 0 else f"movement_{place + 1}"
        shown[key] = figures.movement(run.name, labels, points[:, 0], points[:, 1], shares, line, spans)
        name = run.name if run.name not in rows else f"{run.name} {run.run[-4:]}"
        rows[name] = _row(whole)
    first = runs[0]
    count = max(sum(until is None or step <= until for step in first.steps), 1)
    part = first.points[:count]
    each = {
        short_name(layer): _row(trend(part[:, at, 0], part[:, at, 1], resamples=200))
        for at, layer in enumerate(first.layers)
    }
    return {
        **shown,
        "trend": figures.trends(rows),
        "by_layer_trend": figures.trends(each),
        "by_layer": {"direction": part[-1, :, 0].tolist(), "magnitude": part[-1, :, 1].tolist()},
    }


def _row(found: Trend) -> tuple[float, ...]:
    return (found.slope, *found.slope_interval, found.correlation, *found.correlation_interval, float(found.points))


def _basis(opened: Opened, name: str, of: Of) -> Tensor:
    b, a = opened.factors(name)
    if of == "a":
        return directions(a)
    if of == "moved":
        return directions(opened.moved(name))
    return read_directions(b, a) if of == "reads" else written_directions(b, a)


def _called(opened: Opened) -> str:
    return f"{opened.name}, step {opened.step}"
