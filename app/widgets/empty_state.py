"""What a page or panel shows while it has nothing to show: one picture, one sentence, one action."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.style.theme import Theme
from app.widgets.buttons import Button
from app.wording import labelled

_WIDEST = 520
"""How long a line of text may be, in unscaled pixels."""


class EmptyState(QWidget):
    """One sentence, one picture, one action, in the middle of the room it is given.

    Args:
        sentence: what is not there yet and why that is fine.
        picture: `weave` (threads crossing: layers and ranks), `curve` (a falling loss), `broken` (one that
            stops where it began), `table` or `box`.
        action: the text of a button and what it does; None for no button.
        hint: a second, quieter sentence.
    """

    def __init__(
        self,
        sentence: str,
        picture: str = "weave",
        action: tuple[str, Callable[[], object]] | None = None,
        *,
        hint: str = "",
    ) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addStretch(3)
        layout.addWidget(Picture(picture), 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addSpacing(6)
        self.sentence = _Text(sentence, "heading")
        self.hint = _Text(hint, "label")
        for text in (self.sentence, self.hint):
            layout.addWidget(text, 0, Qt.AlignmentFlag.AlignHCenter)
        self.hint.setVisible(bool(hint))
        self.button: Button | None = None
        if action is not None:
            self.button = Button(action[0], "primary", do=action[1])
            layout.addSpacing(6)
            layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(4)

    def set(self, sentence: str, hint: str = "") -> None:
        """Show another sentence and hint, with the labels of options in place of their names."""
        self.sentence.setText(labelled(sentence))
        self.hint.setText(labelled(hint))
        self.hint.setVisible(bool(hint))


class _Text(QLabel):
    """Centred lines, never wider than one reads with ease, and as high as they need at that width."""

    def __init__(self, text: str, type: str) -> None:
        super().__init__(text)
        self.setProperty("type", type)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.setMinimumWidth(240)
        self._heights: dict[int, int] = {}

    def sizeHint(self) -> QSize:
        """As wide as the text, up to the limit."""
        width = min(self.fontMetrics().horizontalAdvance(self.text()) + 8, Theme.current().px(_WIDEST))
        return QSize(width, super().heightForWidth(width))

    def heightForWidth(self, width: int) -> int:
        """Layouts ask for the room's width, which may be more than the text takes; and they ask hundreds of times."""
        if width not in self._heights:
            self._heights[width] = super().heightForWidth(min(width, self.sizeHint().width()))
        return self._heights[width]

    def setText(self, text: str) -> None:
        """Another text has other heights."""
        self._heights.clear()
        super().setText(text)

    def changeEvent(self, event: QEvent) -> None:
        """So has another font."""
        self._heights.clear()
        super().changeEvent(event)


class Picture(QWidget):
    """A small drawing in the theme's own lines."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._paint = _PICTURES[name]
        Theme.current().changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        """Grows with the text."""
        theme = Theme.current()
        return QSize(theme.px(128), theme.px(84))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it in a field of 128 by 84."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(self.width() / 128, self.height() / 84)
        self._paint(painter, Theme.current())


def _pen(theme: Theme, color: str, width: float = 2.0) -> QPen:
    return QPen(theme.color(color), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)


def _weave(painter: QPainter, theme: Theme) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    for row in range(5):
        for column in range(6):
            chosen = (row, column) in {(1, 2), (1, 3), (2, 2), (3, 2), (3, 5), (2, 5)}
            painter.setBrush(theme.color("accent" if chosen else "line"))
            painter.drawRoundedRect(QRectF(7 + column * 19.5, 4 + row * 16, 16, 11), 3, 3)


def _curve(painter: QPainter, theme: Theme) -> None:
    painter.setPen(_pen(theme, "line"))
    for y in (10, 32, 54, 76):
        painter.drawLine(8, y, 120, y)
    points = [(8, 12), (22, 16), (34, 34), (48, 42), (62, 52), (80, 56), (98, 62), (120, 64)]
    painter.setPen(_pen(theme, "accent", 2.6))
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        painter.drawLine(x1, y1, x2, y2)


def _broken(painter: QPainter, theme: Theme) -> None:
    painter.setPen(_pen(theme, "line"))
    for y in (10, 32, 54, 76):
        painter.drawLine(8, y, 120, y)
    painter.setPen(_pen(theme, "red", 2.6))
    painter.drawLine(8, 14, 26, 22)
    painter.drawLine(28, 18, 40, 30)
    painter.drawLine(28, 30, 40, 18)


def _table(painter: QPainter, theme: Theme) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    for row in range(4):
        painter.setBrush(theme.color("accent" if row == 1 else "line"))
        painter.drawEllipse(QRectF(8, 8 + row * 19, 9, 9))
        painter.setBrush(theme.color("line"))
        painter.drawRoundedRect(QRectF(26, 8 + row * 19, 54 - 8 * (row % 2), 9), 4, 4)
        painter.drawRoundedRect(QRectF(92, 8 + row * 19, 28, 9), 4, 4)


def _box(painter: QPainter, theme: Theme) -> None:
    painter.setPen(_pen(theme, "line", 2.4))
    painter.drawRoundedRect(QRectF(34, 36, 60, 42), 6, 6)
    painter.drawLine(34, 50, 94, 50)
    painter.setPen(_pen(theme, "accent", 2.8))
    painter.drawLine(64, 4, 64, 28)
    painter.drawLine(54, 19, 64, 29)
    painter.drawLine(74, 19, 64, 29)


_PICTURES = {"weave": _weave, "curve": _curve, "broken": _broken, "table": _table, "box": _box}
