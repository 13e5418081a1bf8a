"""The tokens of a micro-batch as the model will see them: learned ones in colour and underlined, marks as small tags.

Where the data weighs its messages, what weighs more has a stronger ground and a thicker line.

It paints the tokens itself and only the lines that are in sight, because a micro-batch can have thousands.

    pointer             tells of the token under it
    left, right         the token before or after; with Ctrl the micro-batch
    up, down            the line above or below
    home, end           the first and the last token of a line; with Ctrl of the batch
    page up, page down  a screen further
    a letter            is told to whoever shows the view
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame

from app.style.theme import Theme
from app.widgets.token_layout import PADDING, Heading, Line, Token, lay_out, tokens_of
from app.words import number, plural

_NOTHING: Mapping[str, Any] = {"rows": (), "texts": ()}
_GROUND = 0.32
"""Opacity of the ground behind a token that weighs more than all others."""


class TokenView(QAbstractScrollArea):
    """See the module."""

    stepped = Signal(int)
    """Ctrl with left or right: -1 or 1 micro-batch further."""
    lettered = Signal(str)
    """A letter was pressed, in upper case."""
    told = Signal(str)
    """What is known of the token under the pointer, else of the current one."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[Token] = []
        self.lines: list[Line] = []
        self.current = 0
        self.hovered: int | None = None
        self._batch = _NOTHING
        self._weighed = False
        self._widths: dict[tuple[str, bool], float] = {}
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Tokens")
        self.viewport().setMouseTracking(True)
        self.viewport().setAutoFillBackground(False)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        Theme.current().changed.connect(self._restyle)

    def show_batch(self, batch: Mapping[str, Any] | None) -> None:
        """Show a micro-batch (`core.data.preview`), from the text that was looked for on."""
        self._batch = batch or _NOTHING
        self.tokens = tokens_of(self._batch)
        self._weighed = any("weights" in row for row in self._batch["rows"])
        self.hovered = None
        self._place()
        wanted = self._batch.get("example")
        texts = [text["example"] for text in self._batch["texts"]]
        first = texts.index(wanted) if wanted in texts else 0
        self.current = next((index for index, token in enumerate(self.tokens) if token.text == first), 0)
        self.verticalScrollBar().setValue(0)
        self._show_current(top=True)

    def told_of(self, index: int) -> str:
        """A token in words."""
        token = self.tokens[index]
        learned = "made unlikely" if self._worse(token) else "learned"
        said = learned if token.trained else "not learned"
        said += f", weight {token.weight:g}" if token.trained and self._weighed else ""
        mark = ", a mark" if token.special else ""
        return f"“{token.shown}”   id {number(token.id)}   position {number(token.position)}   {said}{mark}"

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the lines anew."""
        super().resizeEvent(event)
        self._place()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk through the tokens, and with Ctrl through the micro-batches."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is not None and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.stepped.emit(step)
            return
        if event.text().isalpha() and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.lettered.emit(event.text().upper())
            return
        target = self._target(event)
        if target is None or not self.tokens:
            super().keyPressEvent(event)
            return
        self.current = min(max(target, 0), len(self.tokens) - 1)
        self.hovered = None
        self._show_current()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell of the token under the pointer."""
        self._hover(self._at(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the token under the pointer."""
        index = self._at(event.position())
        if index is not None:
            self.current = index
            self._show_current()

    def viewportEvent(self, event: QEvent) -> bool:
        """The pointer has gone: tell of the current token again."""
        if event.type() == QEvent.Type.Leave:
            self._hover(None)
        return super().viewportEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the lines in sight."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        offset = self.verticalScrollBar().value()
        painter.translate(0, -offset)
        bottom = offset + self.viewport().height()
        for line in self.lines:
            if line.top > bottom:
                break
            if line.top + self._heading_height < offset:
                continue
            if line.heading is not None:
                self._paint_heading(painter, line.top, line.heading)
            for index, x, wide in line.tokens:
                self._paint_token(painter, index, QRectF(x, line.top, wide, self._line_height))

    # Painting

    def _paint_heading(self, painter: QPainter, top: float, heading: Heading) -> None:
        theme = Theme.current()
        box = QRectF(0, top, self._room, self._heading_height - theme.px(4))
        if heading.text != PADDING and not (heading.row == 0 and heading.first):
            # The border between two texts: a full line between rows, a dashed one within a packed row.
            style = Qt.PenStyle.SolidLine if heading.first else Qt.PenStyle.DashLine
            painter.setPen(QPen(theme.color("line" if heading.first else "amber"), 1, style))
            painter.drawLine(QPointF(0, top + 2), QPointF(self._room, top + 2))
        painter.setFont(theme.font(11, 500))
        painter.setPen(theme.color("muted"))
        text = painter.fontMetrics().elidedText(self._said(heading), Qt.TextElideMode.ElideMiddle, int(self._room))
        painter.drawText(box, Qt.AlignmentFlag.AlignBottom, text)

    def _said(self, heading: Heading) -> str:
        if heading.text == PADDING:
            return f"Row {heading.row + 1}: {plural(heading.count, 'token')} of padding"
        text = self._batch["texts"][heading.text]
        part = {"chosen": "better answer, ", "rejected": "worse answer, "}.get(text["part"], "")
        cut = f", {plural(text['cut'], 'token')} cut off" if text["cut"] else ""
        learned = f"{number(text['trained'])} {'made unlikely' if text['part'] == 'rejected' else 'learned'}"
        learned = f"label {text['label']}" if "label" in text else learned
        packed = "" if heading.first else ", packed behind the one before"
        return (
            f"Row {heading.row + 1}{packed}: {part}{text['file']}, row {number(text['row'])}   "
            f"{plural(text['tokens'], 'token')}, {learned}{cut}"
        )

    def _worse(self, token: Token) -> bool:
        """Whether it belongs to the worse of two answers, which is made unlikely."""
        return bool(self._batch["texts"][token.text]["part"] == "rejected")

    def _paint_token(self, painter: QPainter, index: int, box: QRectF) -> None:
        theme = Theme.current()
        token = self.tokens[index]
        pointed = index == (self.current if self.hovered is None else self.hovered)
        inner = box.adjusted(0, theme.px(3), 0, -theme.px(3))
        tone = "amber" if self._worse(token) else "accent"
        strength = token.weight / (1 + token.weight)
        if token.trained and self._weighed:
            painter.fillRect(inner, theme.color(tone, _GROUND * strength))
        if pointed:
            painter.setPen(theme.color("accent") if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("hover"))
            painter.drawRoundedRect(inner.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        color = f"{tone}_text" if token.trained else "muted"
        if token.special:
            painter.setFont(theme.font(11, mono=True))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color(tone if token.trained else "faint"), 1))
            tag = inner.adjusted(theme.px(2), 1, -theme.px(2), -1)
            painter.drawRoundedRect(tag, 4, 4)
            painter.setPen(theme.color(color))
            painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, token.shown)
        else:
            painter.setFont(theme.font(13, mono=True))
            painter.setPen(theme.color(color if not token.breaks else "faint"))
            painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, token.shown)
        if token.trained:
            painter.setPen(QPen(theme.color(tone), 3 * strength))
            line = inner.bottom() - 0.5
            painter.drawLine(QPointF(inner.left() + 0.5, line), QPointF(inner.right() - 1.5, line))

    # Places

    @property
    def _line_height(self) -> float:
        return Theme.current().px(27)

    @property
    def _heading_height(self) -> float:
        return Theme.current().px(30)

    @property
    def _room(self) -> float:
        return max(self.viewport().width() - 8, 40)

    def _measured(self, token: Token) -> float:
        key = (token.shown, token.special)
        if key not in self._widths:
            theme = Theme.current()
            metrics = QFontMetricsF(theme.font(11 if token.special else 13, mono=True))
            extra = theme.px(14) if token.special else 2
            # Letters that join or stand over others may be narrower than nothing; a token must stay visible.
            self._widths[key] = min(max(metrics.horizontalAdvance(token.shown), 5.0) + extra, self._room)
        return self._widths[key]

    def _restyle(self) -> None:
        self._widths.clear()
        self._place()

    def _place(self) -> None:
        """Work out the lines."""
        self.lines = lay_out(
            self._batch,
            self.tokens,
            width=self._room,
            measure=self._measured,
            line_height=self._line_height,
            heading_height=self._heading_height,
        )
        height = self.lines[-1].top + self._heading_height + 8 if self.lines else 0
        bar = self.verticalScrollBar()
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(int(self._line_height))
        bar.setRange(0, max(int(height) - self.viewport().height(), 0))
        self.viewport().update()

    def _line_of(self, index: int) -> int:
        """The number of the line that a token stands on."""
        for at, line in enumerate(self.lines):
            if line.tokens and line.tokens[0][0] <= index <= line.tokens[-1][0]:
                return at
        return 0

    def _at(self, point: QPointF) -> int | None:
        y = point.y() + self.verticalScrollBar().value()
        for line in self.lines:
            if line.tokens and line.top <= y < line.top + self._line_height:
                return next((index for index, x, wide in line.tokens if x <= point.x() < x + wide), None)
        return None

    def _target(self, event: QKeyEvent) -> int | None:
        """The token that a key leads to."""
        whole = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        page = max(int(self.viewport().height() / self._line_height) - 1, 1)
        match event.key():
            case Qt.Key.Key_Left:
                return self.current - 1
            case Qt.Key.Key_Right:
                return self.current + 1
            case Qt.Key.Key_Up | Qt.Key.Key_Down | Qt.Key.Key_PageUp | Qt.Key.Key_PageDown:
                lines = 1 if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down) else page
                return self._beside(-lines if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_PageUp) else lines)
            case Qt.Key.Key_Home:
                return 0 if whole else self.lines[self._line_of(self.current)].tokens[0][0]
            case Qt.Key.Key_End:
                return len(self.tokens) - 1 if whole else self.lines[self._line_of(self.current)].tokens[-1][0]
        return None

    def _beside(self, by: int) -> int:
        """The token at the same place some lines further."""
        rows = [line for line in self.lines if line.tokens]
        if not rows:
            return 0
        here = next((at for at, row in enumerate(rows) if row.tokens[0][0] <= self.current <= row.tokens[-1][0]), 0)
        x = next(x for index, x, _ in rows[here].tokens if index == self.current)
        there = rows[min(max(here + by, 0), len(rows) - 1)]
        return min(there.tokens, key=lambda placed: abs(placed[1] - x))[0]

    def _hover(self, index: int | None) -> None:
        if index != self.hovered:
            self.hovered = index
            self._tell()

    def _show_current(self, *, top: bool = False) -> None:
        """Scroll to the current token and tell of it; `top`: with its heading as the first line."""
        if self.tokens:
            at = self._line_of(self.current)
            bar = self.verticalScrollBar()
            above = self.lines[at].top - self._heading_height
            below = self.lines[at].top + 2 * self._line_height - self.viewport().height()
            if top or bar.value() > above:
                bar.setValue(int(above) if top else min(bar.value(), int(above)))
            elif bar.value() < below:
                bar.setValue(int(below))
        self._tell()
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))

    def _tell(self) -> None:
        index = self.current if self.hovered is None else self.hovered
        text = self.told_of(index) if index < len(self.tokens) else ""
        self.setAccessibleDescription(text)
        self.told.emit(text)
        self.viewport().update()
