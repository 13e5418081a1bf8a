"""The table of runs as Qt reads it: ten thousand rows scroll, sort and filter without a pause.

A row's status costs a look at a lock only where the run says that it is under way; everything else is in the row.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from app.models.numbers import pointed
from app.style.theme import Theme
from app.widgets.status import WORDS
from app.words import clock
from core.state import Status
from core.store.rows import RunRow

Index = QModelIndex | QPersistentModelIndex
ROW = Qt.ItemDataRole.UserRole
"""The role under which an index gives its `RunRow`."""
_NONE = QModelIndex()


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, its text, what it sorts by, and whether it holds numbers."""

    title: str
    text: Callable[[RunRow], str]
    key: Callable[[RunRow], Any]
    number: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("Status", lambda row: row.phase, lambda row: row.phase),
    Column("Name", lambda row: row.name, lambda row: row.name.casefold()),
    Column("Method", lambda row: row.method, lambda row: row.method.casefold()),
    Column("Model", lambda row: row.model, lambda row: row.model.casefold()),
    Column("Data", lambda row: row.data, lambda row: row.data.casefold()),
    Column("Best loss", lambda row: _loss(row.best_loss), lambda row: _finite(row.best_loss), True),
    Column("Duration", lambda row: clock(row.seconds) if row.seconds else "–", lambda row: row.seconds, True),
    Column("Created", lambda row: when(row.created), lambda row: row.created),
    Column("Tags", lambda row: ", ".join(row.tags), lambda row: ", ".join(row.tags).casefold()),
)
CREATED = 7


class RunsModel(QAbstractTableModel):
    """Runs in the order chosen by `sort`; give it rows with `show`."""

    def __init__(self, status_of: Callable[[RunRow], Status], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._status_of = status_of
        self._statuses: dict[str, Status] = {}
        self._order = (CREATED, Qt.SortOrder.DescendingOrder)
        self.rows: list[RunRow] = []

    def show(self, rows: Sequence[RunRow]) -> None:
        """Show these runs; where they are the same ones in the same order, only cells are painted anew."""
        found = self._sorted(rows)
        self._statuses = {row.id: self._status_of(row) for row in found if row.under_way}
        if [row.id for row in found] == [row.id for row in self.rows]:
            self.rows = found
            if found:
                self.dataChanged.emit(self.index(0, 0), self.index(len(found) - 1, len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self.rows = found
        self.endResetModel()

    def status(self, row: RunRow) -> Status:
        """What a run is doing."""
        return self._statuses.get(row.id) or Status(row.phase.value)

    def rowCount(self, parent: Index = _NONE) -> int:
        """As many as there are runs."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _NONE) -> int:
        """As many as `COLUMNS`."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The heads; over numbers at the right."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return pointed(COLUMNS[section].title, section, self._order)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(COLUMNS[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell's text, colour, alignment or tooltip."""
        row, column = self.rows[index.row()], COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return WORDS[self.status(row)][0] if index.column() == 0 else column.text(row)
            case Qt.ItemDataRole.ForegroundRole:
                return self._color(row, index.column())
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case Qt.ItemDataRole.ToolTipRole:
                return row.notes or row.name if index.column() == 1 else column.text(row)
            case _ if role == ROW:
                return row
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order by a column."""
        self._order = (column, order)
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        kept = [(index, self.rows[index.row()].id) for index in before]
        self.rows = self._sorted(self.rows)
        at = {row.id: place for place, row in enumerate(self.rows)}
        self.changePersistentIndexList(before, [self.index(at[run], index.column()) for index, run in kept])
        self.layoutChanged.emit()

    def _sorted(self, rows: Sequence[RunRow]) -> list[RunRow]:
        column, order = self._order
        return sorted(rows, key=COLUMNS[column].key, reverse=order == Qt.SortOrder.DescendingOrder)

    def _color(self, row: RunRow, column: int) -> Any:
        theme = Theme.current()
        if column == 0:
            tone = WORDS[self.status(row)][1]
            return theme.color(tone if tone == "muted" else f"{tone}_text")
        return theme.color("text" if column in (1, 5) else "muted")


def when(created: float) -> str:
    """`14:05` today, `22 Nov 14:05` this year, else with the year."""
    then, now = time.localtime(created), time.localtime()
    if then[:3] == now[:3]:
        return time.strftime("%H:%M", then)
    return time.strftime("%d %b %H:%M" if then.tm_year == now.tm_year else "%d %b %Y", then)


def _alignment(column: Column) -> int:
    side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
    return int(side | Qt.AlignmentFlag.AlignVCenter)


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if math.isfinite(value) else "not a number"


def _finite(value: float | None) -> float:
    return math.inf if value is None or not math.isfinite(value) else value
