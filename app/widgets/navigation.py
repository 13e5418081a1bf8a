"""The left side of the window: the steps of the work with their ticks, and the state of the machine below.

Where text is so large that a page beside it would have too little room, it folds to a rail of icons.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import psutil
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.style import icons
from app.style.theme import Theme
from app.widgets.bar import ProgressLine
from app.widgets.buttons import Button
from app.widgets.labels import ElidedLabel, label
from core.config.machine import likely_device

WIDTH, _RAIL = 200, 56
"""How wide it is with names, and folded to icons, in unscaled pixels."""
_FOLDS = 940
"""How wide the window must be for the names, in unscaled pixels: they leave a page what it needs."""
_SIDES = 12
"""Pixels at both sides of the names."""
_OFFLINE = "Nothing is sent or fetched: models and data stay on this machine."
_LOOK_EVERY = 2000
"""Milliseconds between two looks at the machine's memory."""


class Entry(QAbstractButton):
    """One page: its name or icon, a bar at the left while it is in front, a tick once its step is done."""

    def __init__(self, title: str, icon: str, key: str) -> None:
        super().__init__()
        self.setText(title)
        self._icon, self._key = icon, key
        self._done = self._folded = False
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(key)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._describe()

    def set_done(self, done: bool) -> None:
        """Show or hide the tick."""
        if done != self._done:
            self._done = done
            self._describe()
            self.update()

    def fold(self, folded: bool) -> None:
        """Show the icon instead of the name; the tooltip has the name then."""
        self._folded = folded
        self.setToolTip(f"{self.text()} ({self._key})" if folded else self._key)
        self.update()

    def sizeHint(self) -> QSize:
        """Grows with the text."""
        return QSize(Theme.current().px(_RAIL if self._folded else WIDTH) - 2 * _SIDES, Theme.current().px(34))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint ground, bar, name or icon, and tick."""
        theme = Theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(theme.color("accent") if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(
            theme.color("raised") if self.isChecked() or self.underMouse() else theme.color("side"),
        )
        painter.drawRoundedRect(box, 6, 6)
        if self.isChecked():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent"))
            painter.drawRoundedRect(QRectF(1, box.height() / 2 - theme.px(8), 2.5, theme.px(16)), 1, 1)
        ink = "text" if self.isChecked() else "muted"
        if self._folded:
            self._draw(painter, self._icon, ink, 16, box.center())
            if self._done:
                self._draw(painter, "check", "accent", 9, box.topRight() + QPointF(-theme.px(7), theme.px(7)))
            return
        painter.setFont(theme.font(13, 600 if self.isChecked() else 500))
        painter.setPen(theme.color(ink))
        painter.drawText(box.adjusted(theme.px(16), 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self.text())
        if self._done:
            self._draw(painter, "check", "accent", 16, QPointF(box.right() - theme.px(16), box.center().y()))

    def _draw(self, painter: QPainter, icon: str, color: str, size: int, middle: QPointF) -> None:
        """An icon of `size` unscaled pixels around a point."""
        theme = Theme.current()
        side = theme.px(size)
        picture = icons.pixmap(icon, theme.tokens.color(color), side, self.devicePixelRatioF())
        painter.drawPixmap((middle - QPointF(side / 2, side / 2)).toPoint(), picture)

    def _describe(self) -> None:
        self.setAccessibleName(f"{self.text()}, done" if self._done else self.text())


class Navigation(QFrame):
    """The pages in two groups, the menu button beside the name, and the machine at the bottom."""

    chosen = Signal(str)

    def __init__(self, groups: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Show `groups` of (key, title)."""
        super().__init__()
        self.setProperty("kind", "side")
        self.setAccessibleName("Pages")
        self.entries: dict[str, Entry] = {}
        self._room = 0
        column = QVBoxLayout(self)
        column.setContentsMargins(_SIDES, 14, _SIDES, 18)
        column.setSpacing(4)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 6)
        self._brand = label("Rankloom", "brand")
        self._brand.setContentsMargins(12, 0, 0, 0)
        head.addWidget(self._brand, 1)
        self.menu_button = Button("", "ghost", icon="menu", name="Menu")
        head.addWidget(self.menu_button)
        column.addLayout(head)
        number = 0
        for index, group in enumerate(groups):
            if index:
                column.addWidget(_Rule())
            for key, title in group:
                number += 1
                entry = self.entries[key] = Entry(title, f"page-{key}", f"Ctrl+{number}")
                entry.clicked.connect(lambda _=False, key=key: self.chosen.emit(key))
                column.addWidget(entry)
        column.addStretch(1)
        self._machine = MachineView()
        column.addSpacing(8)
        column.addWidget(self._machine)
        Theme.current().changed.connect(lambda: self.fit(self._room))

    def show_page(self, key: str) -> None:
        """Mark the page that is in front; Tab comes to it, and the arrow keys go from there to the others."""
        self.entries[key].setChecked(True)
        for one, entry in self.entries.items():
            entry.setFocusPolicy(Qt.FocusPolicy.TabFocus if one == key else Qt.FocusPolicy.NoFocus)

    def set_done(self, key: str, done: bool) -> None:
        """Show or hide a page's tick."""
        self.entries[key].set_done(done)

    def fit(self, room: int) -> None:
        """Show names, or icons alone where a window of this width has no room for both names and a page."""
        self._room = room
        px = Theme.current().px
        folded = room < px(_FOLDS)
        self.setFixedWidth(px(_RAIL if folded else WIDTH))
        self._brand.setHidden(folded)
        self._machine.fold(folded)
        for entry in self.entries.values():
            entry.fold(folded)


class MachineView(QWidget):
    """That nothing goes over the network, what will compute, and how full the memory is."""

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setSpacing(6)
        offline = QHBoxLayout()
        offline.setSpacing(10)
        offline.addWidget(label("Offline", "hint"))
        offline.addWidget(_Dot(), 0, Qt.AlignmentFlag.AlignVCenter)
        offline.addStretch(1)
        row = QHBoxLayout()
        row.setSpacing(6)
        self.device = ElidedLabel("", "small")
        self.memory = label("", "small")
        row.addWidget(self.device, 1)
        row.addWidget(self.memory)
        self._words = QWidget()
        lines = QVBoxLayout(self._words)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(6)
        lines.addLayout(offline)
        lines.addLayout(row)
        self.line = ProgressLine(name="Memory in use")
        self._column.addWidget(self._words)
        self._column.addWidget(self.line)
        self.fold(False)
        timer = QTimer(self, interval=_LOOK_EVERY)
        timer.timeout.connect(self.look)
        timer.start()
        QTimer.singleShot(0, self, self._find_device)
        self.look()

    def fold(self, folded: bool) -> None:
        """Leave the line alone; the tooltip has the words."""
        self._words.setHidden(folded)
        self._column.setContentsMargins(*((4, 0, 4, 0) if folded else (12, 0, 12, 0)))

    def look(self) -> None:
        """Read the machine's memory."""
        found = psutil.virtual_memory()
        used = found.total - found.available
        self.memory.setText(f"{used / 1e9:.1f} of {found.total / 1e9:.0f} GB")
        self.setToolTip(f"Memory in use: {self.memory.text()}\n{_OFFLINE}")
        share = used / found.total
        self.line.set(share, "amber" if share > 0.9 else "accent")

    def _find_device(self) -> None:
        cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
        device = {"cuda": "GPU", "mps": "Apple GPU"}.get(likely_device("auto"), f"CPU  {cores} cores")
        self.device.setText(device)


class _Dot(QWidget):
    """A small accent dot."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(7, 7)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Theme.current().color("accent"))
        painter.drawEllipse(self.rect())


class _Rule(QWidget):
    """A hairline with room above and below."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(22)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the line."""
        painter = QPainter(self)
        painter.fillRect(QRectF(12, self.height() / 2, self.width() - 24, 1), Theme.current().color("line"))
