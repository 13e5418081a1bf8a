"""A number in a line of text: any precision, scientific notation for rates, the unit behind it, arrows step it.

Not a spin box, because a learning rate has no fixed number of decimals, a seed no upper end, and a value must come back
exactly as it went in.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from app.forms.field import Field
from app.forms.keys import left_to_window
from app.style.theme import Theme

_WIDTH = 92
_SERIES = (Decimal(1), Decimal(2), Decimal(5), Decimal(10))


class NumberEdit(QLineEdit):
    """An editor for `int` and `float` options."""

    edited = Signal(object)
    """The user typed another number that is within the bounds."""
    refused = Signal(str)
    """The text is no such number; the sentence says why. Empty when it is one again."""

    def __init__(self, field: Field, *, width: int = _WIDTH, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._field = field
        self._room = width
        self._whole = field.annotation is int
        self._value: Any = field.default
        self._note = field.unit
        self.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.textEdited.connect(self._read)
        Theme.current().changed.connect(self._fit)
        self._fit()

    def value(self) -> Any:
        """The last sound number."""
        return self._value

    def set_mixed(self) -> None:
        """Show that there are several values; typing one, or stepping from the last, makes them equal."""
        self.clear()
        self.setPlaceholderText("mixed")
        self.refused.emit("")

    def set_value(self, value: Any) -> None:
        """Show a number; a text that already means it is left as it was typed."""
        self._value = value
        if _parsed(self.text(), self._whole) != value:
            self.setText(written(value))
        self.refused.emit("")

    def event(self, event: QEvent) -> bool:
        """Undo and redo belong to the window."""
        return not left_to_window(event) and super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and down step, page up and down double and halve, escape brings the last sound number back."""
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._take(self._stepped(1 if event.key() == Qt.Key.Key_Up else -1))
        elif event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self._take(self._value * 2 if event.key() == Qt.Key.Key_PageUp else self._value / 2)
        elif event.key() == Qt.Key.Key_Escape and self.text() != written(self._value):
            self._take(self._value)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The line, then the unit behind the number."""
        super().paintEvent(event)
        if not self._note:
            return
        theme = Theme.current()
        painter = QPainter(self)
        painter.setFont(theme.font(12))
        painter.setPen(theme.color("muted"))
        area = QRect(0, 0, self.width() - theme.px(9), self.height())
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._note)

    def _fit(self) -> None:
        """Leave room for the unit at the present text size."""
        theme = Theme.current()
        room = QFontMetrics(theme.font(12)).horizontalAdvance(self._note) + theme.px(5) if self._note else 0
        self.setTextMargins(0, 0, room, 0)
        self.setFixedWidth(theme.px(self._room))

    def _read(self, text: str) -> None:
        """Judge what was typed."""
        value = _parsed(text, self._whole)
        problem = self._problem(value)
        self.refused.emit(problem)
        if not problem and value != self._value:
            self._value = value
            self.edited.emit(value)

    def _take(self, value: Any) -> None:
        """A step: the number, kept within the bounds, written out as if typed."""
        value = round(value) if self._whole else float(value)
        if not self._problem(value):
            self.setText(written(value))
            self._read(self.text())

    def _stepped(self, direction: int) -> Any:
        """The next number up or down: by one, by a twentieth within a share, along 1-2-5 for rates."""
        if self._whole:
            return self._value + direction
        if self._field.high is not None and self._field.high <= 1:
            return float(Decimal(repr(self._value)) + direction * Decimal("0.05"))
        if isinstance(self._field.default, float) and 0 < self._field.default < 0.01 and self._value > 0:
            return _along_series(self._value, direction)
        return self._value + direction

    def _problem(self, value: Any) -> str:
        """Why a number can't stand here; empty where it can."""
        field = self._field
        if value is None:
            return f"{field.label} must be a whole number." if self._whole else f"{field.label} must be a number."
        if field.low is not None and (value < field.low or (field.open_low and value == field.low)):
            return f"{field.label} must be {'more than' if field.open_low else 'at least'} {written(field.low)}."
        if field.high is not None and (value > field.high or (field.open_high and value == field.high)):
            return f"{field.label} must be {'less than' if field.open_high else 'at most'} {written(field.high)}."
        return ""


def written(value: float) -> str:
    """The shortest text that means exactly this number: `8`, `0.03`, `2e-4`."""
    if isinstance(value, int):
        return str(value)
    number = Decimal(repr(value)).normalize()
    if number == 0 or Decimal("1e-3") <= abs(number) < Decimal("1e7"):
        return f"{number:f}"
    sign, digits, exponent = number.as_tuple()
    mantissa = "".join(map(str, digits))
    power = int(exponent) + len(mantissa) - 1
    shown = mantissa[0] + ("." + mantissa[1:] if mantissa[1:] else "")
    return f"{'-' if sign else ''}{shown}e{power}"


def _parsed(text: str, whole: bool) -> Any:
    """The number a text means (a comma is a decimal point too); None where it means none."""
    text = text.strip().replace(",", ".")
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        return None
    return number if whole or abs(number) < float("inf") else None


def _along_series(value: float, direction: int) -> float:
    """The neighbour of a rate in 1, 2, 5, 10, 20 ..."""
    number = Decimal(repr(value))
    unit = Decimal(1).scaleb(number.adjusted())
    steps = [unit / 10 * mark for mark in _SERIES] + [unit * mark for mark in _SERIES[1:]] + [unit * 20]
    if direction > 0:
        return float(min(step for step in steps if step > number))
    return float(max(step for step in steps if step < number))
