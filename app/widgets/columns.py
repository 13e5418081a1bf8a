"""Widgets in columns of equal width: as many columns as there is room for, and fewer where the text is large."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.style.theme import Theme


class Columns(QWidget):
    """Children row by row, each as tall as it wants to be.

    Args:
        least: width of a column in pixels, at the usual size of text.
        counts: how many columns there may be, rising: nine things look well in 3, 5 or 9.
        gaps: between columns and between rows, in pixels.
    """

    def __init__(self, *, least: int, counts: Sequence[int], gaps: tuple[int, int] = (16, 16)) -> None:
        super().__init__()
        self._least, self._counts, self._gaps = least, tuple(counts), gaps
        self._children: list[QWidget] = []
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def add(self, child: QWidget) -> None:
        """One more."""
        child.setParent(self)
        child.show()
        self._children.append(child)
        self.updateGeometry()

    def count(self, width: int) -> int:
        """How many columns there are at a width."""
        least, gap = Theme.current().px(self._least), self._gaps[0]
        fitting = [count for count in self._counts if count * (least + gap) - gap <= width]
        return max(fitting, default=self._counts[0])

    def hasHeightForWidth(self) -> bool:
        """Yes: fewer columns are taller."""
        return True

    def heightForWidth(self, width: int) -> int:
        """The height of the rows at this width."""
        return self._arrange(width, move=False)

    def sizeHint(self) -> QSize:
        """As many rows as the present width needs."""
        width = max(self.width(), self.minimumSizeHint().width())
        return QSize(width, self._arrange(width, move=False))

    def minimumSizeHint(self) -> QSize:
        """The fewest columns."""
        least = max((child.minimumSizeHint().width() for child in self._children if not _gone(child)), default=0)
        return QSize(least * self._counts[0], self._arrange(max(self.width(), least), move=False))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the children anew."""
        super().resizeEvent(event)
        self._arrange(self.width(), move=True)
        self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        """A child of another size asks for other rows."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._arrange(self.width(), move=True)
            self.updateGeometry()
        return super().event(event)

    def _arrange(self, width: int, *, move: bool) -> int:
        across, down = self._gaps
        count = self.count(width)
        column = (width - across * (count - 1)) // count
        children = [child for child in self._children if not _gone(child)]
        y = 0
        for start in range(0, len(children), count):
            row = children[start : start + count]
            heights = [_height(child, column) for child in row]
            if move:
                for place, (child, height) in enumerate(zip(row, heights, strict=True)):
                    child.setGeometry(place * (column + across), y, column, height)
            y += max(heights) + down
        return max(y - down, 0)


def _gone(child: QWidget) -> bool:
    """Whether it is hidden on purpose, not because nothing has been shown yet."""
    return child.isHidden() and child.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide)


def _height(child: QWidget, width: int) -> int:
    return child.heightForWidth(width) if child.hasHeightForWidth() else child.sizeHint().height()
