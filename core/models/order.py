"""One order and one completeness for the layers of a model, wherever the list was read from."""

from __future__ import annotations

from collections.abc import Iterable

from core.layers import ROLES, LayerInfo


def in_order(layers: Iterable[LayerInfo]) -> tuple[LayerInfo, ...]:
    """Embeddings first, then block by block in the order of the roles, then what stands outside, the head last."""
    return tuple(sorted(layers, key=_key))


def _key(layer: LayerInfo) -> tuple[int, int, int, str]:
    if layer.kind == "embedding":
        return (0, 0, layer.role != "embed", layer.name)
    if layer.block is not None:
        return (1, layer.block, ROLES.index(layer.role), layer.name)
    return (3 if layer.role == "head" else 2, 0, 0, layer.name)
