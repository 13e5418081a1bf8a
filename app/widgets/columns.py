"""Widgets in columns of equal width: as many columns as there is room for, and fewer where the text is large."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.style.theme import Theme
from app.widgets.arranged import Arranged


class Columns(Arranged):
    """Children row by row, each as tall as it wants to be.

    Args:
        least: width of a column in pixels, at the usual size of text.
        counts: how many columns there may be, rising: nine things look well in 3, 5 or 9.
        gaps: between columns and between rows, in pixels.
    """

    def __init__(self, *, least: int, counts: Sequence[int], gaps: tuple[int, int] = (16, 16)) -> None:
        super().__init__(QSizePolicy.Policy.Expanding)
        self._least, self._counts, self._gaps = least, tuple(counts), gaps

    def add(self, child: QWidget) -> None:
        """One more."""
        super().add(child)
        child.show()

    def count(self, width: int) -> int:
        """How many columns there are at a width."""
        least, gap = Theme.current().px(self._least), self._gaps[0]
        fitting = [count for count in self._counts if count * (least + gap) - gap <= width]
        return max(fitting, default=self._counts[0])

    def minimumSizeHint(self) -> QSize:
        """The fewest columns."""
        least = max((child.minimumSizeHint().width() for child in self._present()), default=0)
        return QSize(least * self._counts[0], self._arrange(max(self.width(), least), move=False))

    def _arrange(self, width: int, *, move: bool) -> int:
        across, down = self._gaps
        count = self.count(width)
        edges = [(width + across) * place // count for place in range(count + 1)]  # what cannot be divided is spread
        widths = [end - start - across for start, end in itertools.pairwise(edges)]
        children = self._present()
        y = 0
        for start in range(0, len(children), count):
            row = children[start : start + count]
            heights = [_height(child, column) for child, column in zip(row, widths, strict=False)]
            if move:
                for child, x, column, height in zip(row, edges, widths, heights, strict=False):
                    child.setGeometry(x, y, column, height)
            y += max(heights) + down
        return max(y - down, 0)


def _height(child: QWidget, width: int) -> int:
    return child.heightForWidth(width) if child.hasHeightForWidth() else child.sizeHint().height()
