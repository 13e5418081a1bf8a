"""A slider over moments of a run: steps forward and back, and plays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QSlider, QWidget

from app.widgets.buttons import Button
from app.widgets.labels import label
from app.words import number

_EACH = 700
"""Milliseconds that a moment is shown while it plays, where there are few."""
_WHOLE = 12_000
"""Milliseconds that all of them take at most; where there are many, some are left out."""
_QUICKEST = 60
"""Milliseconds that a moment is shown at least."""


class Moments(QWidget):
    """Hidden where there are not at least two moments.

    Args:
        name: what the slider is over, for a screen reader.
    """

    chosen = Signal(int)
    """The place of the moment to show."""

    def __init__(self, name: str = "Checkpoint") -> None:
        super().__init__()
        self._steps: NDArray[np.int64] = np.empty(0, np.int64)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(name)
        self.said = label("", "value")
        self.play = Button("", "ghost", icon="play", name=f"Play from the first {name.lower()}", do=self._play)
        self._stride = 1
        self._timer = QTimer(self)
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

    @property
    def playing(self) -> bool:
        """Whether it moves by itself."""
        return self._timer.isActive()

    @property
    def newest(self) -> bool:
        """Whether the last moment is the one on show."""
        return self.slider.value() == self.slider.maximum()

    def show_steps(self, steps: Sequence[int] | NDArray[np.int64]) -> None:
        """Offer these moments; the last is the one on show."""
        self._timer.stop()
        self._offer(steps, len(steps) - 1)

    def grow(self, steps: Sequence[int] | NDArray[np.int64]) -> None:
        """Offer these, which begin with those offered; the one on show stays, or stays the last."""
        self._offer(steps, len(steps) - 1 if self.newest and not self.playing else self.slider.value())

    def go_to(self, step: float | None) -> None:
        """Show the last moment not after a step (None: the last) without telling anybody."""
        place = len(self._steps) - 1 if step is None else int(np.searchsorted(self._steps, step, side="right")) - 1
        with QSignalBlocker(self.slider):
            self.slider.setValue(max(place, 0))
        self._say()

    def _offer(self, steps: Sequence[int] | NDArray[np.int64], place: int) -> None:
        self._steps = np.asarray(steps, dtype=np.int64)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(len(steps) - 1, 0))
            self.slider.setPageStep(max(len(steps) // 10, 1))
            self.slider.setValue(place)
        self.setVisible(len(steps) > 1)
        self._say()

    def _moved(self, place: int) -> None:
        self._say()
        self.chosen.emit(place)

    def _say(self) -> None:
        self.said.setText(f"step {number(int(self._steps[self.slider.value()]))}" if len(self._steps) else "")
        self.slider.setAccessibleDescription(self.said.text())

    def _play(self) -> None:
        """From the first to the last; a second click stops it."""
        if self.playing:
            self._timer.stop()
            return
        each = min(max(_WHOLE // max(len(self._steps), 1), _QUICKEST), _EACH)
        self._stride = max(round(len(self._steps) * each / _WHOLE), 1)
        self.slider.setValue(0)
        self._timer.start(each)

    def _next(self) -> None:
        self.slider.setValue(self.slider.value() + self._stride)
        if self.newest:
            self._timer.stop()
