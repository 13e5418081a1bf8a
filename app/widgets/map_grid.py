"""Where the cells of the layer map are: which layers share a cell, and how the room is divided.

Blocks go down with the last on top, roles across. Cells shrink until they would no longer be hit or read, then the map
scrolls; heads and block numbers stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.layers import ROLES, LayerInfo, Role
from core.layers import columns as columns_of

_FIRST: tuple[Role, ...] = ("q", "k", "v", "qkv", "o", "gate", "up", "gate_up", "down", "fc1", "fc2")
_ORDER = (*_FIRST, *(role for role in ROLES if role not in _FIRST))
"""Roles in the order in which a block runs them."""

_TALLEST = 128
"""How tall a cell gets with its gap, in unscaled pixels."""
Cell = tuple[int, int]
"""Row and column; -1 for the head of a column (row) or of a row (column)."""


@dataclass(frozen=True)
class Grid:
    """The layers in rows and columns.

    Attributes:
        layers: the adaptable layers.
        rows: the blocks from top to bottom, the last first; None for layers outside the blocks.
        columns: the heads: a role, or the name's last part; see `core.layers.columns`.
        cells: the positions in `layers` of those in each cell; several where a block has several of a role (experts).
    """

    layers: tuple[LayerInfo, ...]
    rows: tuple[int | None, ...]
    columns: tuple[str, ...]
    cells: dict[Cell, tuple[int, ...]]

    @classmethod
    def of(cls, layers: Sequence[LayerInfo]) -> Grid:
        """Arrange the adaptable ones among `layers`."""
        kept = tuple(layer for layer in layers if layer.adaptable)
        blocks = sorted({layer.block for layer in kept if layer.block is not None}, reverse=True)
        outside = [None] if any(layer.block is None for layer in kept) else []
        rows: tuple[int | None, ...] = (*outside, *blocks)
        named = columns_of(kept)
        order = sorted(range(len(kept)), key=lambda index: _ORDER.index(kept[index].role))
        columns = tuple(dict.fromkeys(named[index] for index in order))
        row_of, column_of = {b: i for i, b in enumerate(rows)}, {head: i for i, head in enumerate(columns)}
        cells: dict[Cell, list[int]] = {}
        for index, layer in enumerate(kept):
            cells.setdefault((row_of[layer.block], column_of[named[index]]), []).append(index)
        return cls(kept, rows, columns, {cell: tuple(found) for cell, found in cells.items()})

    def within(self, cell: Cell) -> tuple[int, ...]:
        """The layers of a cell; of a whole row or column where it is a head."""
        row, column = cell
        if row >= 0 and column >= 0:
            return self.cells.get(cell, ())
        return tuple(
            index
            for (r, c), found in self.cells.items()
            if (row >= 0 or column >= 0) and (row < 0 or r == row) and (column < 0 or c == column)
            for index in found
        )

    def rectangle(self, one: Cell, other: Cell) -> list[Cell]:
        """The cells between two corners, both included, that hold layers."""
        rows = range(max(0, min(one[0], other[0])), max(one[0], other[0]) + 1)
        columns = range(max(0, min(one[1], other[1])), max(one[1], other[1]) + 1)
        return [(row, column) for row in rows for column in columns if (row, column) in self.cells]

    def line(self, one: Cell, other: Cell) -> list[Cell]:
        """The cells that a quick stroke from one to the other passes."""
        steps = max(abs(other[0] - one[0]), abs(other[1] - one[1]), 1)
        passed = (
            (
                round(one[0] + (other[0] - one[0]) * step / steps),
                round(one[1] + (other[1] - one[1]) * step / steps),
            )
            for step in range(steps + 1)
        )
        return [cell for cell in dict.fromkeys(passed) if cell in self.cells]


@dataclass(frozen=True)
class Layout:
    """The measures of a grid in a room, in pixels.

    Attributes:
        left, top: room for the block numbers and the heads.
        pitch_x, pitch_y: from one cell to the next.
        gap_x, gap_y: the part of it that stays empty.
    """

    left: int
    top: int
    pitch_x: int
    pitch_y: int
    gap_x: int
    gap_y: int
    width: int
    height: int

    @staticmethod
    def height_of(grid: Grid, scale: float = 1.0) -> int:
        """The height that a map makes use of, with all cells as tall as they get."""
        return round(34 * scale) + len(grid.rows) * round(_TALLEST * scale) + 4

    @classmethod
    def fit(cls, grid: Grid, width: int, height: int, scale: float = 1.0) -> Layout:
        """Divide a room of `width` by `height`; the map may come out larger than the room."""
        margin, top = round(52 * scale), round(34 * scale)
        columns, rows = max(len(grid.columns), 1), max(len(grid.rows), 1)
        pitch_x = min(max((width - margin - round(12 * scale)) // columns, round(38 * scale)), round(176 * scale))
        pitch_y = min(max((height - top - 4) // rows, round(8 * scale)), round(_TALLEST * scale))
        left = margin + max(0, (width - margin - round(12 * scale) - pitch_x * columns) // 2)
        gap_y = 6 if pitch_y >= 48 else 4 if pitch_y >= 16 else 2 if pitch_y >= 10 else 1
        return cls(
            left, top, pitch_x, pitch_y, 6 if pitch_x > 60 else 4, gap_y, left + pitch_x * columns, top + pitch_y * rows
        )

    def at(self, x: float, y: float, grid: Grid) -> Cell | None:
        """The cell or head at a place of the unscrolled map; None beside them."""
        column = int((x - self.left) // self.pitch_x) if x >= self.left else -1
        row = int((y - self.top) // self.pitch_y) if y >= self.top else -1
        if row >= len(grid.rows) or column >= len(grid.columns) or (row < 0 and column < 0):
            return None
        return row, column
