"""The axes of a plot: as many round numbers as there is room for, and a name that is never cut."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFontMetricsF

from app.style.theme import Theme
from core.figures.figure import Axis
from core.figures.ticks import power_ticks, spelled, ticks

_UP, _ACROSS = 40, 70
"""Pixels between two numbers of an axis, up and across."""
_NAME, _AIR = 40, 8
"""Pixels to which a name may be cut before names are left out, and between two of them."""
_TOO_SHORT = 5
"""Letters of a cut name that tell nothing any more."""
_MOST = 6
_HALF = 8
"""Pixels that a number at an end of the axis goes beyond it, at most."""


class NumberAxis(pg.AxisItem):
    """An axis with round numbers.

    Attributes:
        whole: whether it counts, as steps do: nothing stands between two whole numbers.
        names: what stands at 0, 1, 2 ... where there are no numbers.
    """

    def __init__(self, side: str) -> None:
        self.whole = False
        self.names: tuple[str, ...] = ()
        self._each = 0.0
        self._name = Axis("")
        super().__init__(side)

    def about(self, size: float) -> int:
        """How many numbers there is room for in so many pixels."""
        return max(min(int(size / Theme.current().px(_UP if self.orientation == "left" else _ACROSS)), _MOST), 3)

    def boundingRect(self) -> QRectF:
        """With room for the halves of the first and the last number, which stand at the ends."""
        return super().boundingRect().adjusted(0, -_HALF, _HALF, _HALF)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """One level of ticks; on an axis in powers of ten they are given as their powers."""
        low, high = sorted((low, high))
        if self.names:
            return [(1.0, self._places(size))]
        if not self.logMode:
            found = self._apart(ticks(low, high, self.about(size), whole=self.whole), size / max(high - low, 1e-300))
        else:
            found = [float(np.log10(value)) for value in power_ticks(10**low, 10**high, self.about(size))]
        return [(found[1] - found[0] if len(found) > 1 else 1.0, found)]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """The numbers as they are read."""
        if self.names:
            measure = QFontMetricsF(Theme.current().font(11))
            cut = Qt.TextElideMode.ElideMiddle
            return [measure.elidedText(self.names[round(value)], cut, self._each) for value in values]
        return spelled([10**value for value in values] if self.logMode else list(values))

    def name(self, axis: Axis) -> None:
        """Say what is measured along it."""
        self._name = axis
        self._say_name()

    def resizeEvent(self, event: object = None) -> None:
        """Say as much of the name as there is room for."""
        if getattr(self, "_name", None) is not None and self._name.label:
            self._say_name()
        super().resizeEvent(event)

    def _places(self, size: float) -> list[float]:
        """All names, cut where they are long; where not even that has room, every second, third ..."""
        measure = QFontMetricsF(Theme.current().font(11))
        room = max(size, 1.0) / len(self.names)
        widest = min(max(measure.horizontalAdvance(name) for name in self.names), Theme.current().px(_NAME)) + _AIR
        stride = max(int(np.ceil(widest / room)), 1)
        self._each = stride * room - _AIR
        return [float(place) for place in range(0, len(self.names), stride)]

    def _apart(self, values: list[float], each: float) -> list[float]:
        """Every second of the numbers, where side by side they would run into one another; `each`: pixels of one."""
        measure = QFontMetricsF(Theme.current().font(11))
        while self.orientation == "bottom" and len(values) > 2:
            widest = max(measure.horizontalAdvance(text) for text in spelled(values))
            if widest + _AIR <= (values[1] - values[0]) * each:
                break
            values = values[::2]
        return values

    def _say_name(self) -> None:
        """The name with its unit, without it, or cut with an ellipsis; nothing where too little of it would be left."""
        theme = Theme.current()
        measure = QFontMetricsF(theme.font(11))
        room = (self.size().height() if self.orientation in ("left", "right") else self.size().width()) - 8
        fitting = (text for text in (self._name.text, self._name.label) if measure.horizontalAdvance(text) <= room)
        cut = measure.elidedText(self._name.label, Qt.TextElideMode.ElideRight, max(room, 0))
        text = next(fitting, cut if len(cut) > _TOO_SHORT else "")
        if text != self.labelText or self.labelStyle.get("color") != theme.tokens.muted:
            # The figure has chosen its unit: nothing is scaled to another one.
            self.setLabel(text, siPrefixEnableRanges=(), color=theme.tokens.muted)
        self.label.setFont(theme.font(11))
