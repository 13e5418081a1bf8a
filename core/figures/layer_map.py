"""A number of every layer on the map that the window shows: blocks up, roles across."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.figures.figure import Axis, Floats, Heatmap
from core.figures.run import short_name
from core.layers import LayerInfo, columns

ELSEWHERE = "–"
"""The row of what is in no block."""


def layer_map(
    title: str, layers: Sequence[LayerInfo], values: Floats, value: Axis, *, help: str, finding: str = "",
    middle: float | None = None,
) -> Heatmap:  # fmt: skip
    """The map of `values`, (layers,); NaN leaves a cell empty, and of layers that share a cell the largest is shown.

    Args:
        title, value, help: what it is, and how to read it.
        layers: in the order of `values`.
        finding: the summary; by default which layers are lowest and highest.
        middle: where values lie on both sides of it.
    """
    heads = columns(layers)
    roles = list(dict.fromkeys(heads))
    blocks = sorted({_block(layer) for layer in layers})
    row, column = {block: at for at, block in enumerate(blocks)}, {role: at for at, role in enumerate(roles)}
    table = np.full((len(roles), len(blocks)), np.nan, dtype=np.float32)
    for layer, head, number in zip(layers, heads, values, strict=True):
        place = column[head], row[_block(layer)]
        table[place] = np.fmax(table[place], number)  # of experts of one name the largest
    names = tuple(ELSEWHERE if block < 0 else str(block) for block in blocks)
    return Heatmap(
        title, Axis("Role"), Axis("Block"), value, names, np.arange(len(roles)), table, tuple(enumerate(names)),
        help=help, finding=finding or _finding(layers, values), columns=tuple(roles), middle=middle,
    )  # fmt: skip


def _block(layer: LayerInfo) -> int:
    return -1 if layer.block is None else layer.block


def _finding(layers: Sequence[LayerInfo], values: Floats) -> str:
    if not np.isfinite(values).any():
        return "nothing measured yet."
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    if values[low] == values[high]:
        return f"{values[low]:.4g} in every layer."
    return (
        f"{len(layers)} layers, from {values[low]:.4g} in {short_name(layers[low])} to {values[high]:.4g} in "
        f"{short_name(layers[high])}."
    )
