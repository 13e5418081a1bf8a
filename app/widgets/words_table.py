"""A table of text that breaks into lines: what differs between runs, or what each of them answers."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from app.style.theme import Theme
from core.figures.figure import Words

_LEAST = 130
"""Width of a column, in unscaled pixels: six runs stand beside one another in the smallest window."""

_AIR = 11
"""Pixels on either side of the text in a cell, and above and below it together."""


class WordsTable(QTableWidget):
    """Shows `Words`; Ctrl+C copies all of it for a spreadsheet."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.figure: Words | None = None
        self.setAccessibleName(name)
        self.setShowGrid(False)
        self.setWordWrap(True)
        self.setSizeAdjustPolicy(QAbstractItemView.SizeAdjustPolicy.AdjustToContents)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)
        Theme.current().changed.connect(self._fit)

    def show_figure(self, figure: Words) -> None:
        """Show another table; its first column names the rows."""
        self.figure = figure
        self.setAccessibleDescription(figure.summary())
        self.setToolTip(figure.help)
        self.clear()
        self.setColumnCount(len(figure.columns) + 1)
        self.setRowCount(len(figure.rows))
        self.setHorizontalHeaderLabels(["", *figure.columns])
        for row, (name, cells) in enumerate(zip(figure.rows, figure.cells, strict=True)):
            for column, text in enumerate((name, *cells)):
                item = QTableWidgetItem(text or "–")
                item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
                self.setItem(row, column, item)
        for column in range(self.columnCount()):
            head = self.horizontalHeaderItem(column)
            if head is not None:
                head.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._fit()

    def copy(self) -> None:
        """Put the whole table on the clipboard."""
        if self.figure is not None:
            lines = [["", *self.figure.columns], *([row, *cells] for row, cells in self._lines())]
            QGuiApplication.clipboard().setText(
                "\n".join("\t".join(" ".join(cell.split()) for cell in line) for line in lines)
            )

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the width among the columns."""
        super().resizeEvent(event)
        self._fit()

    def sizeHintForRow(self, row: int) -> int:
        """Room for all lines of a row; Qt breaks them as if there were no air beside the text."""
        px, measure, high = Theme.current().px, self.fontMetrics(), 0
        for column in range(self.columnCount()):
            item, wide = self.item(row, column), self.columnWidth(column) - 2 * px(_AIR)
            if item is not None:
                text = measure.boundingRect(0, 0, wide, 0, Qt.TextFlag.TextWordWrap, item.text())
                high = max(high, text.height())
        return high + px(_AIR)

    def _lines(self) -> list[tuple[str, tuple[str, ...]]]:
        return list(zip(self.figure.rows, self.figure.cells, strict=True)) if self.figure is not None else []

    def _fit(self) -> None:
        if not self.columnCount():
            return
        theme, count = Theme.current(), self.columnCount() - 1
        first = min(theme.px(220), self.viewport().width() // (count + 1))
        least = max((self.viewport().width() - first) // max(count, 1), theme.px(_LEAST))
        header = self.horizontalHeader()
        header.resizeSection(0, first)
        for column in range(1, count + 1):
            header.resizeSection(column, least)
        self.resizeRowsToContents()
