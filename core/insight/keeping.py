"""Which layers to keep, from a score of each: the first n, or as many as carry a share of the whole.

Layers compete with their own kind (all queries with one another), as LoRA-drop does: a score that depends on the size
of the activations would otherwise compare what cannot be compared. Ties go to the layer nearer to the input.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from core.layers import LayerInfo


def kind_of(layer: LayerInfo) -> tuple[str, int, int]:
    """What makes two layers of one kind: role and shape."""
    return layer.role, layer.out_features, layer.in_features


def shares(scores: Mapping[str, float]) -> dict[str, float]:
    """Each score's part of the sum, 0 to 1; what is negative or no number counts as nothing."""
    good = {name: score if math.isfinite(score) and score > 0 else 0.0 for name, score in scores.items()}
    total = math.fsum(good.values())
    return {name: score / total if total > 0 else 0.0 for name, score in good.items()}


def top(
    layers: Iterable[LayerInfo], scores: Mapping[str, float], count: int, *, by_kind: bool = True
) -> frozenset[str]:
    """The names of the `count` layers of highest score, of each kind or of all together."""
    return frozenset(name for group in _ranked(layers, scores, by_kind) for name in group[:count])


def threshold(
    layers: Iterable[LayerInfo], scores: Mapping[str, float], share: float, *, by_kind: bool = True
) -> frozenset[str]:
    """The smallest set of layers of highest score whose shares of the sum reach `share`, of each kind or of all.

    Args:
        layers: the candidates.
        scores: layer name to its score, 0 or more.
        share: above 0, up to 1; 1 keeps every layer that scores at all.
        by_kind: whether each kind of layer has a sum of its own.
    """
    kept: set[str] = set()
    for group in _ranked(layers, scores, by_kind):
        parts = shares({name: scores[name] for name in group})
        reached: list[float] = []
        for name in group:
            if math.fsum(reached) >= share or parts[name] == 0:
                break
            reached.append(parts[name])
            kept.add(name)
        if not reached:
            kept.update(group)  # Nothing is known of this kind, so nothing of it is given up.
    return frozenset(kept)


def _ranked(layers: Iterable[LayerInfo], scores: Mapping[str, float], by_kind: bool) -> list[list[str]]:
    """The names of each group, highest score first."""
    groups: dict[object, list[str]] = {}
    for layer in layers:
        groups.setdefault(kind_of(layer) if by_kind else None, []).append(layer.name)
    return [sorted(names, key=lambda name: -_number(scores[name])) for names in groups.values()]


def _number(score: float) -> float:
    return score if math.isfinite(score) else -math.inf
