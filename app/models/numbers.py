"""A table of named numbers as Qt reads it: sorted by any column, numbers at the right, what is missing left empty."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from app.style.theme import Theme

Index = QModelIndex | QPersistentModelIndex
KEY = Qt.ItemDataRole.UserRole
"""The role under which an index gives the key of its row."""
_NONE = QModelIndex()


@dataclass(frozen=True, slots=True)
class Row:
    """A row: what it is called by the program and by people, and its numbers."""

    key: str
    name: str
    values: tuple[float, ...]


class NumbersModel(QAbstractTableModel):
    """Rows in the order chosen by `sort`; give it rows with `show`. The first column is the name."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.heads: tuple[str, ...] = ()
        self.rows: list[Row] = []
        self._given: list[Row] = []
        self._tips: tuple[str, ...] = ()
        self._bright: frozenset[str] | None = None
        self._order: tuple[int, Qt.SortOrder] | None = None
        self._longest: dict[int, str] = {}

    def show(
        self, heads: Sequence[str], rows: Sequence[Row], *, tips: Sequence[str] = (),
        order: tuple[int, Qt.SortOrder] | None = None,
    ) -> None:  # fmt: skip
        """Show other rows.

        Args:
            heads: of all columns, that of the name first.
            rows: with a number for each head but the first.
            tips: what each head means.
            order: column and direction to sort by; None for the order given.
        """
        self.beginResetModel()
        self.heads, self._tips, self._order = tuple(heads), tuple(tips), order
        self._given = list(rows)
        self._longest.clear()
        self.rows = self._sorted()
        self.endResetModel()

    def set_column(self, column: int, values: dict[str, float], bright: Collection[str] | None = None) -> None:
        """Put other numbers into a column, by row key, and let only the rows of `bright` stand out."""
        place = column - 1
        self._given = [
            Row(row.key, row.name, (*row.values[:place], values.get(row.key, math.nan), *row.values[place + 1 :]))
            for row in self._given
        ]
        self._longest.pop(column, None)
        self._bright = None if bright is None else frozenset(bright)
        if self._order is not None and self._order[0] == column:
            self.sort(*self._order)
            return
        known = {row.key: row for row in self._given}
        self.rows = [known[row.key] for row in self.rows]
        if self.rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, len(self.heads) - 1))

    def row_of(self, key: str) -> int:
        """Where a row stands now; -1 where there is none of that key."""
        return next((place for place, row in enumerate(self.rows) if row.key == key), -1)

    def longest(self, column: int) -> int:
        """Where the longest text of a column stands; -1 without rows."""
        if column not in self._longest and self._given:
            self._longest[column] = max(self._given, key=lambda row: _length(self._text(row, column))).key
        return self.row_of(self._longest.get(column, ""))

    def rowCount(self, parent: Index = _NONE) -> int:
        """As many as were given."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _NONE) -> int:
        """The name and the numbers."""
        return 0 if parent.isValid() else len(self.heads)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The heads, with what they mean; over numbers at the right."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return pointed(self.heads[section], section, self._order)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(section)
            case Qt.ItemDataRole.ToolTipRole if section < len(self._tips):
                return self._tips[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell's text, colour, font, alignment or tooltip."""
        row, column = self.rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(row, column)
            case Qt.ItemDataRole.ToolTipRole:
                return row.key
            case Qt.ItemDataRole.ForegroundRole:
                lit = self._bright is None or row.key in self._bright
                lit = lit and (column == 0 or math.isfinite(row.values[column - 1]))
                return Theme.current().color("text" if lit else "muted")
            case Qt.ItemDataRole.FontRole if column == 0:
                return Theme.current().font(12, mono=True)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case _ if role == KEY:
                return row.key
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order by a column; what is missing comes last either way. A negative column brings the order given back."""
        self._order = (column, order) if column >= 0 else None
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        kept = [(index, self.rows[index.row()].key) for index in before]
        self.rows = self._sorted()
        at = {row.key: place for place, row in enumerate(self.rows)}
        self.changePersistentIndexList(before, [self.index(at[key], index.column()) for index, key in kept])
        self.layoutChanged.emit()

    def _text(self, row: Row, column: int) -> str:
        return row.name if column == 0 else written(row.values[column - 1])

    def _sorted(self) -> list[Row]:
        if self._order is None:
            return list(self._given)
        column, order = self._order
        down = order == Qt.SortOrder.DescendingOrder
        if column == 0:
            return list(reversed(self._given)) if down else list(self._given)
        good = [row for row in self._given if math.isfinite(row.values[column - 1])]
        missing = [row for row in self._given if not math.isfinite(row.values[column - 1])]
        return sorted(good, key=lambda row: -row.values[column - 1] if down else row.values[column - 1]) + missing


def written(value: float) -> str:
    """A number in four digits, a whole one as it is; a dash for none."""
    if abs(value) < 1e6 and float(value).is_integer():
        return f"{value:g}"
    return f"{value:#.4g}".rstrip(".") if math.isfinite(value) else "–"


def pointed(head: str, section: int, order: tuple[int, Qt.SortOrder] | None) -> str:
    """A head, with an arrow behind that of the column that rows are sorted by; Qt would paint its own across it."""
    if order is None or order[0] != section:
        return head
    return f"{head} {'↓' if order[1] == Qt.SortOrder.DescendingOrder else '↑'}"


def _length(text: str) -> float:
    """In letters; a point takes half the room of a digit."""
    return len(text) - text.count(".") / 2


def _alignment(column: int) -> int:
    side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)
