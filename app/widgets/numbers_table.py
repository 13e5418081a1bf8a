"""A table of named numbers: sorted by a click on a head, read with the keyboard, copied as text."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFontMetrics, QGuiApplication, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QAbstractItemView, QTableView, QWidget

from app.models.numbers import NumbersModel, Row
from app.style.theme import Theme

_AIR = 18
"""Pixels beside the text of a head: its padding, and a little more."""
_NAMES, _LEAST = 0.4, 0.2
"""Share of the width that the names of the rows take at most, and that they keep where the numbers need the room."""
_LONG = 7
"""Letters up to which a head stays on one line."""


class NumbersTable(QTableView):
    """Rows of numbers. See `NumbersModel`."""

    row_chosen = Signal(str)
    """The key of the row that the user went to."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.numbers = NumbersModel(self)
        self._wanted: list[int] = []
        self.setModel(self.numbers)
        self.setAccessibleName(name)
        self.setProperty("kind", "numbers")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # both ends tell names apart
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(1)  # the style's own is wider than a head of one letter
        corner = QWidget()
        self.setCornerWidget(corner)
        self.selectionModel().currentRowChanged.connect(lambda now, _: self._tell(now.row()))
        copy = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)
        self._scale()

    def show_rows(
        self, heads: Sequence[str], rows: Sequence[Row], *, tips: Sequence[str] = (), by: int | None = None
    ) -> None:
        """Show other rows, the highest of column `by` first; None leaves them in the order given."""
        down = Qt.SortOrder.DescendingOrder
        self.setSortingEnabled(False)
        self.numbers.show([_in_two(head) for head in heads], rows, tips=tips, order=None if by is None else (by, down))
        self.horizontalHeader().setSortIndicator(-1 if by is None else by, down)
        self.setSortingEnabled(True)
        self._measure()

    def changeEvent(self, event: QEvent) -> None:
        """Texts are of another size, or have another room around them."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._scale()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the columns the room that there is."""
        super().resizeEvent(event)
        self._fit()

    def order_by(self, column: int) -> None:
        """Put the highest of a column first."""
        self.sortByColumn(column, Qt.SortOrder.DescendingOrder)

    def go_to(self, key: str) -> None:
        """Show and select a row without telling anybody."""
        place = self.numbers.row_of(key)
        if place < 0 or place == self.currentIndex().row():
            return
        model = self.selectionModel()
        model.blockSignals(True)
        self.selectRow(place)
        model.blockSignals(False)
        self.scrollTo(self.numbers.index(place, 0))
        self.viewport().update()

    def copy(self) -> None:
        """Put the whole table on the clipboard, for a spreadsheet."""
        lines = ["\t".join(head.replace("\n", " ") for head in self.numbers.heads)]
        lines += ["\t".join([row.name, *(f"{value:.8g}" for value in row.values)]) for row in self.numbers.rows]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def _tell(self, place: int) -> None:
        if 0 <= place < len(self.numbers.rows):
            self.row_chosen.emit(self.numbers.rows[place].key)

    def _scale(self) -> None:
        self.verticalHeader().setDefaultSectionSize(Theme.current().px(28))
        self._measure()

    def _measure(self) -> None:
        """How wide each column would have to be: for its head, and for the longest of its texts."""
        self.ensurePolished()
        heads, measure, air = self.numbers.heads, QFontMetrics(Theme.current().font(12, 500)), Theme.current().px(_AIR)
        said = [max(measure.horizontalAdvance(line) for line in f"{head} ↓".split("\n")) + air for head in heads]
        longest = [self.numbers.index(self.numbers.longest(at), at) for at in range(len(heads))]
        self._wanted = [max(head, self.sizeHintForIndex(at).width()) for head, at in zip(said, longest, strict=True)]
        self._fit()

    def _fit(self) -> None:
        """Each column as wide as its content, and what is left shared among the numbers."""
        header, widths, count = self.horizontalHeader(), list(self._wanted), len(self._wanted)
        whole = self.viewport().width()
        if count > 1:
            beside = max(whole - sum(widths[1:]), int(_LEAST * whole))
            widths[0] = min(widths[0], int(_NAMES * whole), beside)
        left = whole - sum(widths)
        for at, width in enumerate(widths):
            header.resizeSection(at, width + (max(left, 0) // (count - 1) if at else 0))


def _in_two(head: str) -> str:
    """A long head broken into two lines, where that makes it shortest."""
    places = [place for place, letter in enumerate(head) if letter == " "]
    if len(head) <= _LONG or not places:
        return head
    best = min(places, key=lambda place: max(place, len(head) - place))
    return f"{head[:best]}\n{head[best + 1 :]}"
