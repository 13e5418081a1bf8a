"""Looking at runs beside one another: shared subspaces, where two updates agree, length against direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
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
    """phi of every common layer, and in full of one: `layer`, or that of the most shared directions."""
    layers, found = common(one, other), []
    for place, info in enumerate(layers):
        tick(place / len(layers))
        found.append(similarity(_basis(one, info.name, of), _basis(other, info.name, of)).numpy())
    whole = np.array([float(phi[-1, -1]) for phi in found])
    names = [info.name for info in layers]
    at = names.index(layer) if layer in names else int(np.argmax(whole))
    info, phi = layers[at], found[at]
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
        "agreement": figures.agreement(layers, values, _called(one), _called(other)),
        "layers": [info.to_dict() for info in layers],
        "by_layer": {"cosine": [value if np.isfinite(value) else None for value in cosines]},
    }


def movements(name: str, opened: Sequence[Opened], weights: BaseWeights, tick: Tick) -> dict[str, Any]:
    """Length against direction of every layer at every checkpoint of one run, with the trend of all and of each."""
    names = [layer.name for layer in opened[-1].layers]
    found = np.zeros((len(opened), len(names), 2))
    for at, layer in enumerate(names):
        weight = weights.weight(layer)
        for place, one in enumerate(opened):
            tick((at + place / len(opened)) / len(names))
            moved = movement(weight, *one.factors(layer), lengths=one.lengths(layer))
            found[place, at] = moved.direction, moved.magnitude
    points = found.reshape(-1, 2)
    whole = trend(points[:, 0], points[:, 1])
    shares = np.repeat(np.linspace(1 / len(opened), 1, len(opened)), len(names))
    said = [short_name(layer) for layer in opened[-1].layers]
    labels = [f"{layer}, step {one.step}" for one in opened for layer in said]
    each = {layer: _row(trend(found[:, at, 0], found[:, at, 1], resamples=200)) for at, layer in enumerate(said)}
    return {
        "movement": figures.movement(name, labels, points[:, 0], points[:, 1], shares, (whole.intercept, whole.slope)),
        "trend": figures.trends({name: _row(whole)}),
        "by_layer_trend": figures.trends(each),
        "by_layer": {"direction": found[-1, :, 0].tolist(), "magnitude": found[-1, :, 1].tolist()},
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
