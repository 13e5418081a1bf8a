"""A slider over moments of a run: steps forward and back, and plays."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QSlider, QWidget

from app.widgets.buttons import Button
from app.widgets.labels import label
from app.words import number

_EACH = 700
"""Milliseconds that a moment is shown while it plays."""


class Moments(QWidget):
    """Hidden where there are not at least two moments."""

    chosen = Signal(int)
    """The place of the moment to show."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: tuple[int, ...] = ()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Checkpoint")
        self.slider.setPageStep(1)
        self.said = label("", "value")
        self.play = Button("", "ghost", icon="play", name="Play from the first checkpoint", do=self._play)
        self._timer = QTimer(self, interval=_EACH)
        self._timer.timeout.connect(self._next)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(self.play)
        row.addWidget(self.slider, 1)
        row.addWidget(self.said)
        self.slider.valueChanged.connect(self._moved)
        self.slider.sliderPressed.connect(self._timer.stop)
        self.show_steps(())

    def show_steps(self, steps: Sequence[int]) -> None:
        """Offer these moments; the last is the one on show."""
        self._timer.stop()
        self._steps = tuple(steps)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(len(steps) - 1, 0))
            self.slider.setValue(len(steps) - 1)
        self.setVisible(len(steps) > 1)
        self._say()

    def _moved(self, place: int) -> None:
        self._say()
        self.chosen.emit(place)

    def _say(self) -> None:
        self.said.setText(f"step {number(self._steps[self.slider.value()])}" if self._steps else "")
        self.slider.setAccessibleDescription(self.said.text())

    def _play(self) -> None:
        self.slider.setValue(0)
        self._timer.start()

    def _next(self) -> None:
        self.slider.setValue(self.slider.value() + 1)
        if self.slider.value() == self.slider.maximum():
            self._timer.stop()
