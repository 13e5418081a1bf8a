"""A stacked bar (memory, shares) with its legend, and the thin line of progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.style.theme import Theme
from app.widgets.labels import label


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a stacked bar: `text` is its value in words ("0.54 GB"), `color` a token or `#rrggbb`."""

    name: str
    value: float
    text: str
    color: str


class Bar(QWidget):
    """Parts side by side on a track; `total` is the track's whole length, in the parts' unit."""

    def __init__(self, *, height: int = 14) -> None:
        super().__init__()
        self._parts: tuple[Part, ...] = ()
        self._total = 0.0
        self._height = height
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        Theme.current().changed.connect(self.updateGeometry)

    def set(self, parts: Sequence[Part], total: float = 0.0) -> None:
        """Show other parts; the track is as long as they are where `total` is smaller."""
        self._parts = tuple(part for part in parts if part.value > 0)
        self._total = max(total, sum(part.value for part in self._parts))
        self.setAccessibleName(", ".join(f"{part.name} {part.text}" for part in self._parts) or "Nothing to show")
        self.setToolTip("\n".join(f"{part.name}: {part.text}" for part in self._parts))
        self.update()

    def sizeHint(self) -> QSize:
        """As high as asked for, at the text's scale."""
        return QSize(120, Theme.current().px(self._height))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the parts with a hair of room between them."""
        theme = Theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        shape = QPainterPath()
        shape.addRoundedRect(QRectF(self.rect()), 3, 3)
        painter.setClipPath(shape)
        painter.fillRect(self.rect(), theme.color("line", 0.6))
        x = 0.0
        for part in self._parts:
            width = self.width() * part.value / self._total
            painter.fillRect(QRectF(x, 0, max(width - 1.5, 1.0), self.height()), theme.color(part.color))
            x += width


class Legend(QWidget):
    """The parts of a `Bar`, one a row: a coloured square, the name, the value."""

    def __init__(self) -> None:
        super().__init__()
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self._names: tuple[tuple[str, str], ...] = ()
        self._values: list[QWidget] = []

    def set(self, parts: Sequence[Part]) -> None:
        """Show other parts; rows are made again only where names or colours differ."""
        names = tuple((part.name, part.color) for part in parts)
        if names != self._names:
            self._rebuild(parts)
            self._names = names
        for part, value in zip(parts, self._values, strict=True):
            value.setText(part.text)  # type: ignore[attr-defined]

    def _rebuild(self, parts: Sequence[Part]) -> None:
        while item := self._rows.takeAt(0):
            if widget := item.widget():
                widget.deleteLater()
        self._values = []
        for part in parts:
            row = QWidget()
            layout = QHBoxLayout(row)
            layout.setContentsMargins(0, 2, 0, 2)
            layout.setSpacing(10)
            value = label("", "value")
            layout.addWidget(Swatch(part.color), 0, Qt.AlignmentFlag.AlignVCenter)
            layout.addWidget(label(part.name, "label"))
            layout.addStretch(1)
            layout.addWidget(value)
            self._values.append(value)
            self._rows.addWidget(row)


class Swatch(QWidget):
    """A small square of a colour."""

    def __init__(self, color: str, size: int = 9) -> None:
        super().__init__()
        self.color = color
        self.setFixedSize(size, size)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the square."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Theme.current().color(self.color))
        painter.drawRoundedRect(self.rect(), 2, 2)


class ProgressLine(QWidget):
    """A thin line that fills from the left; a share of None means "busy, unknown how long" and paints a third."""

    def __init__(self, *, height: int = 3, name: str = "Progress") -> None:
        super().__init__()
        self._share: float | None = 0.0
        self._tone = "accent"
        self._name = name
        self.setFixedHeight(height)

    def set(self, share: float | None, tone: str = "accent") -> None:
        """Show how much is done, 0 to 1."""
        self._share, self._tone = share, tone
        done = "working" if share is None else f"{share:.0%}"
        self.setAccessibleName(f"{self._name}: {done}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the track and what is done of it."""
        theme = Theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        radius = self.height() / 2
        painter.setBrush(theme.color("line"))
        painter.drawRoundedRect(QRectF(self.rect()), radius, radius)
        share = 0.33 if self._share is None else min(max(self._share, 0.0), 1.0)
        if share > 0:
            painter.setBrush(theme.color(self._tone))
            painter.drawRoundedRect(QRectF(0, 0, self.width() * share, self.height()), radius, radius)
