"""Where data can come from: calm rows of a name and a line about it, one of them chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QEnterEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from app.style.theme import Theme
from app.widgets.labels import label
from app.widgets.tab_order import lead_through


@dataclass(frozen=True)
class Source:
    """One row: the path that choosing it takes, its name, and a quiet line."""

    path: str
    name: str
    about: str = ""


class SourceRow(QAbstractButton):
    """One source: a ring that is filled where it is chosen, the name, the line below it."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setText(source.name)
        self.setAccessibleName(source.name)
        self.setAccessibleDescription(source.about)
        self.setToolTip(source.path)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Two lines of text."""
        theme = Theme.current()
        return QSize(theme.px(200), theme.px(46))

    def enterEvent(self, event: QEnterEvent) -> None:
        """Light up under the pointer."""
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Go dark again."""
        super().leaveEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint ground, ring, name and line."""
        theme = Theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = self.isChecked()
        ground = theme.color("raised") if chosen or self.underMouse() else theme.color("panel")
        painter.setPen(theme.color("accent") if self.hasFocus() else ground)
        painter.setBrush(ground)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        self._paint_ring(painter, theme)
        left, width = theme.px(34), self.width() - theme.px(44)
        half = self.height() / 2
        lines = ((self.source.name, 13, 500, "text", half - theme.px(18)), (self.source.about, 12, 400, "muted", half))
        for text, size, weight, color, top in lines:
            painter.setFont(theme.font(size, weight))
            painter.setPen(theme.color(color))
            shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, width)
            painter.drawText(QRectF(left, top, width, theme.px(18)), Qt.AlignmentFlag.AlignVCenter, shown)

    def _paint_ring(self, painter: QPainter, theme: Theme) -> None:
        size = theme.px(14)
        ring = QRectF(theme.px(10), (self.height() - size) / 2, size, size)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(theme.color("accent" if self.isChecked() else "faint"))
        painter.drawEllipse(ring)
        if self.isChecked():
            inset = theme.px(4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent"))
            painter.drawEllipse(ring.adjusted(inset, inset, -inset, -inset))


class SourceList(QWidget):
    """Rows under headings; the arrow keys walk through them, space or a click chooses."""

    picked = Signal(str)
    """The path of the row that the user chose."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[SourceRow] = []
        self._shown: tuple[tuple[str, tuple[Source, ...]], ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)

    def show_groups(self, groups: Sequence[tuple[str, Sequence[Source]]], chosen: str) -> None:
        """Show headings with their rows; `chosen` is the path of the row that counts."""
        shown = tuple((heading, tuple(sources)) for heading, sources in groups if sources)
        if shown != self._shown:
            self._rebuild(shown)
            self._shown = shown
        for row in self.rows:
            # A row that is alone in being checked can only be unchecked outside the exclusive group.
            row.setAutoExclusive(False)
            row.setChecked(row.source.path == chosen)
            row.setAutoExclusive(True)

    def _rebuild(self, groups: tuple[tuple[str, tuple[Source, ...]], ...]) -> None:
        while item := self._column.takeAt(0):
            if widget := item.widget():
                widget.deleteLater()
        self.rows = []
        for heading, sources in groups:
            if self.rows:
                self._column.addSpacing(8)
            self._column.addWidget(label(heading, "small"))
            for source in sources:
                row = SourceRow(source)
                row.clicked.connect(lambda _, path=source.path: self.picked.emit(path))
                self._column.addWidget(row)
                QWidget.setTabOrder(self.rows[-1] if self.rows else self, row)
                self.rows.append(row)
        lead_through(self, self.rows)
