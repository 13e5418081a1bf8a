"""The panels of a run in their places: wide ones at the left, and beside each a narrow one.

A run that has ended shows only those that have something to show: what was never measured will not be any more. Where
the window is low, the panels give up air before the plots give up height; below that the page scrolls. Where it is
narrow beside the text, they stand one above the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import zip_longest

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from app.style.theme import Theme
from app.widgets import Panel

_LOW = 520
"""Height of all below which air is saved, in unscaled pixels."""
_LEAST = 170
"""Height that a row of panels has at least, in unscaled pixels."""
_BESIDE = 660
"""Width of all below which no panel stands beside another, in unscaled pixels."""
_STRETCH = {False: (10, 11), True: (6, 5)}
"""Of the rows: the lower one has the choosers in its heads; where all is low, the loss comes first."""


class RunPanels(QWidget):
    """Up to two rows of a wide and a narrow panel.

    Args:
        wide, narrow: from top to bottom.
    """

    def __init__(self, wide: Sequence[Panel], narrow: Sequence[Panel]) -> None:
        super().__init__()
        self._wide, self._narrow = wide, narrow
        self._shown: frozenset[Panel] = frozenset()
        self._stacked = self._low = False
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(0, 2)
        for panel in (*wide, *narrow):
            panel.setParent(self)
        self.show_only((*wide, *narrow))
        self._save_air()

    def show_only(self, panels: Collection[Panel]) -> None:
        """Show these, with no gap where another would stand."""
        if frozenset(panels) != self._shown:
            self._shown = frozenset(panels)
            self._place()

    def minimumSizeHint(self) -> QSize:
        """One panel wide: where there is no room for two, they stand one above the other."""
        least = max((panel.minimumSizeHint().width() for panel in self._shown), default=0)
        return QSize(least, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """There is room for air, and for panels side by side, or not."""
        super().resizeEvent(event)
        px = Theme.current().px
        arranged = self.width() < px(_BESIDE), self.height() < px(_LOW)
        if arranged != (self._stacked, self._low):
            self._stacked, self._low = arranged
            self._place()
        self._save_air()

    def _place(self) -> None:
        for panel in (*self._wide, *self._narrow):
            self._grid.removeWidget(panel)
            panel.setVisible(panel in self._shown)
        columns = [[panel for panel in column if panel in self._shown] for column in (self._wide, self._narrow)]
        rows: list[tuple[Panel | None, ...]] = list(zip_longest(*columns))
        if self._stacked:
            rows = [(panel,) for pair in rows for panel in pair if panel is not None]
        self._grid.setColumnStretch(1, 0 if self._stacked else 1)
        stretch = _STRETCH[self._low]
        for row in range(len(self._wide) + len(self._narrow)):
            self._grid.setRowStretch(row, 0 if row >= len(rows) else 1 if self._stacked else stretch[row])
        for row, beside in enumerate(rows):
            for column, shown in enumerate(beside):
                if shown is not None:
                    self._grid.addWidget(shown, row, column)

    def _save_air(self) -> None:
        px, low = Theme.current().px, self._low
        self._grid.setSpacing(12 if low else 16)
        for panel in (*self._wide, *self._narrow):
            panel.outer.setContentsMargins(20, *((8, 20, 10) if low else (14, 20, 16)))
            panel.outer.setSpacing(6 if low else 10)
            panel.setMinimumHeight(px(_LEAST))
