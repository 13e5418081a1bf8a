"""The shortest way to write a set of chosen layers into a run file.

A map of 560 cells is painted as full names, but "all linear" or "every q_proj and v_proj" is what a reader wants to see
in the run file and what carries over to another model. So a set is written as a preset where it is exactly that
preset's, as suffixes where it is exactly all layers with them, and as names otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase

from core.layers import ATTENTION, MLP, LayerInfo

PRESETS: Mapping[str, frozenset[str] | None] = {"all-linear": None, "attention": ATTENTION, "mlp": MLP}
"""Preset to the roles it takes; None takes every adaptable layer."""


def preset_names(layers: Iterable[LayerInfo], preset: str) -> frozenset[str]:
    """The names of the layers that a preset means."""
    roles = PRESETS[preset]
    return frozenset(layer.name for layer in layers if layer.adaptable and (roles is None or layer.role in roles))


def last_blocks(layers: Collection[LayerInfo], count: int) -> frozenset[str]:
    """The names of all adaptable layers in the last `count` blocks."""
    top = max((layer.block for layer in layers if layer.block is not None), default=-1)
    return frozenset(
        layer.name for layer in layers if layer.adaptable and layer.block is not None and layer.block > top - count
    )


def matching(layers: Iterable[LayerInfo], pattern: str) -> frozenset[str]:
    """The adaptable layers that a filter means: a pattern where it has a `*` or `?`, else a part of the name."""
    wanted = pattern.strip()
    if not wanted:
        return frozenset()
    glob = any(mark in wanted for mark in "*?[")
    return frozenset(
        layer.name
        for layer in layers
        if layer.adaptable and (fnmatchcase(layer.name, wanted) if glob else wanted in layer.name)
    )


def compact(layers: Collection[LayerInfo], names: Collection[str]) -> str | tuple[str, ...]:
    """What to write as `adapter.layers` for exactly these names; the empty tuple for none of them."""
    chosen = frozenset(names)
    for preset in PRESETS:
        if chosen and chosen == preset_names(layers, preset):
            return preset
    suffixes: dict[str, bool] = {}
    for layer in layers:
        if layer.adaptable:
            suffixes[layer.suffix] = suffixes.get(layer.suffix, True) and layer.name in chosen
    full = tuple(suffix for suffix, whole in suffixes.items() if whole)
    if chosen == {layer.name for layer in layers if layer.adaptable and layer.suffix in full}:
        return full
    return tuple(layer.name for layer in layers if layer.name in chosen)
