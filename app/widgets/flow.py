"""Widgets side by side that break into lines, as words do."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget


class Flow(QWidget):
    """Children at their preferred size, from left to right, as many to a line as fit."""

    def __init__(self, *, spacing: int = 8) -> None:
        super().__init__()
        self._children: list[QWidget] = []
        self._gap = spacing
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def add(self, child: QWidget) -> None:
        """One more."""
        child.setParent(self)
        self._children.append(child)
        self.updateGeometry()

    def heightForWidth(self, width: int) -> int:
        """The height of the lines at this width."""
        return self._arrange(width, move=False)

    def sizeHint(self) -> QSize:
        """As many lines as the present width needs."""
        width = max(self.width(), self.minimumSizeHint().width())
        return QSize(width, self._arrange(width, move=False))

    def minimumSizeHint(self) -> QSize:
        """Room for the largest child."""
        least = QSize(0, 0)
        for child in self._children:
            least = least.expandedTo(child.sizeHint())
        return least

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the children anew."""
        super().resizeEvent(event)
        self._arrange(self.width(), move=True)
        self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        """A child of another size asks for other lines."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._arrange(self.width(), move=True)
            self.updateGeometry()
        return super().event(event)

    def _arrange(self, width: int, *, move: bool) -> int:
        x = y = height = 0
        for child in self._children:
            if child.isHidden() and child.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide):
                continue  # hidden on purpose, not because nothing has been shown yet
            size = child.sizeHint()
            if x + size.width() > width and height:
                x, y, height = 0, y + height + self._gap, 0
            if move:
                child.setGeometry(x, y, size.width(), size.height())
            x += size.width() + self._gap
            height = max(height, size.height())
        return y + height
