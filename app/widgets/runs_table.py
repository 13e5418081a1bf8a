"""The table of runs: which rows are chosen, and columns that share the width. Ten thousand may be chosen at once."""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import groupby
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from app.models.runs import COLUMNS, CREATED, RunsModel
from app.style.theme import Theme

if TYPE_CHECKING:
    from core.store.rows import RunRow

_LEAST = 140
"""Height that shows some runs, in unscaled pixels."""
_WIDTHS = (88, 204, 122, 160, 132, 88, 80, 104, 96)
_ELASTIC = (1, 3, 4, 8)
"""Columns that share what room the others leave."""


class RunsTable(QTableView):
    """Shows a `RunsModel`, the newest run first.

    What is chosen is always asked for and set by stretches of rows: of single ones Qt would ask the model about each.
    """

    def __init__(self, runs: RunsModel) -> None:
        super().__init__()
        self._runs = runs
        self.setModel(runs)
        self.setAccessibleName("Runs")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # names of runs differ at their ends
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.setSortingEnabled(True)
        self.sortByColumn(CREATED, Qt.SortOrder.DescendingOrder)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        # Its heads do not show what is chosen; they would look at every row each time that they are painted.
        header.setSelectionModel(QItemSelectionModel(runs, header))
        Theme.current().changed.connect(self._scale)
        self._scale()

    @property
    def chosen(self) -> list[RunRow]:
        """The runs that are selected, in the table's order."""
        stretches = self.selectionModel().selection().toList()
        rows = {row for stretch in stretches for row in range(stretch.top(), stretch.bottom() + 1)}
        return [self._runs.rows[row] for row in sorted(rows)]

    @property
    def whole(self) -> int:
        """The height that shows every run."""
        rows = len(self._runs.rows) * self.verticalHeader().defaultSectionSize()
        return max(self.horizontalHeader().sizeHint().height() + rows, self.minimumHeight())

    def choose(self, runs: Set[str]) -> None:
        """Select these runs without telling anybody; where none is left, the first: there is something to look at."""
        rows = self._runs.rows
        places = [place for place, row in enumerate(rows) if row.id in runs] or [0] * bool(rows)
        if {rows[place].id for place in places} == {row.id for row in self.chosen}:
            return
        stretches = QItemSelection()
        for first, last in _stretches(places):
            stretches.select(self._runs.index(first, 0), self._runs.index(last, len(COLUMNS) - 1))
        model = self.selectionModel()
        model.blockSignals(True)
        model.select(stretches, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        model.blockSignals(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the columns the room that there is."""
        super().resizeEvent(event)
        self._scale()

    def _scale(self) -> None:
        theme = Theme.current()
        stiff = sum(theme.px(width) for column, width in enumerate(_WIDTHS) if column not in _ELASTIC)
        elastic = sum(theme.px(_WIDTHS[column]) for column in _ELASTIC)
        stretch = max((self.viewport().width() - stiff) / elastic, 0.55)
        for column in range(len(COLUMNS)):
            width = theme.px(_WIDTHS[column])
            self.setColumnWidth(column, int(width * stretch) if column in _ELASTIC else width)
        self.verticalHeader().setDefaultSectionSize(theme.px(32))
        self.setMinimumHeight(theme.px(_LEAST))


def _stretches(places: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of those that follow one another."""
    for _, found in groupby(enumerate(places), lambda one: one[1] - one[0]):
        stretch = [place for _, place in found]
        yield stretch[0], stretch[-1]
