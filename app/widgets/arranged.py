"""A widget that places its children by itself, and whose height follows from its width."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget


class Arranged(QWidget):
    """Places its children anew with every width; subclasses say where, in `_arrange`."""

    def __init__(self, across: QSizePolicy.Policy) -> None:
        super().__init__()
        self._children: list[QWidget] = []
        policy = QSizePolicy(across, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def add(self, child: QWidget) -> None:
        """One more."""
        child.setParent(self)
        self._children.append(child)
        self.updateGeometry()

    def take(self, child: QWidget) -> None:
        """Forget one; it is the caller's from now on."""
        self._children.remove(child)
        self.updateGeometry()

    def heightForWidth(self, width: int) -> int:
        """The height that the children need at this width."""
        return self._arrange(width, move=False)

    def sizeHint(self) -> QSize:
        """As tall as the present width needs."""
        width = max(self.width(), self.minimumSizeHint().width())
        return QSize(width, self._arrange(width, move=False))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the children anew."""
        super().resizeEvent(event)
        self._arrange(self.width(), move=True)
        self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        """A child of another size asks for other places."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._arrange(self.width(), move=True)
            self.updateGeometry()
        return super().event(event)

    def _arrange(self, width: int, *, move: bool) -> int:
        """The height at this width; with `move`, put the children there."""
        raise NotImplementedError

    def _present(self) -> list[QWidget]:
        """The children that are not hidden on purpose; those that nothing has shown yet count."""
        gone = Qt.WidgetAttribute.WA_WState_ExplicitShowHide
        return [child for child in self._children if not (child.isHidden() and child.testAttribute(gone))]
