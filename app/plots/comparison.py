"""The curves of several runs over each other, smoothed, with a legend and a choice of the curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QComboBox

from app.plots.lines import LinesPlot
from app.plots.saving import save_button
from app.widgets import Button, Panel
from core.figures import run as figures
from core.figures.trace import Measured

if TYPE_CHECKING:
    from core.store.rows import RunRow
    from core.store.store import Store

MOST = 8
"""Runs that are compared at once: as many as there are colours that tell apart."""
_KEEP = 0.9
_CURVES = {"loss": "Loss", "held_out": "Held-out loss"}


class Comparison(Panel):
    """One curve of up to `MOST` runs."""

    def __init__(self, store: Store, settings: QSettings) -> None:
        super().__init__("Loss")
        self._store = store
        self._runs: tuple[RunRow, ...] = ()
        self.plot = LinesPlot("Curves of the chosen runs")
        self.plot.marked.connect(self.plot.set_mark)
        self.plot.hovered.connect(self.plot.set_hover)
        self.choice = QComboBox()
        self.choice.setAccessibleName("Which curve")
        for key, text in _CURVES.items():
            self.choice.addItem(text, key)
        self.choice.setCurrentIndex(max(self.choice.findData(settings.value("runs/curve")), 0))
        self.choice.currentIndexChanged.connect(self.refresh)
        self.choice.currentIndexChanged.connect(lambda: settings.setValue("runs/curve", self.choice.currentData()))
        self.log = Button("Log", "ghost", name="Scale the loss by powers of ten")
        self.log.setCheckable(True)
        self.log.toggled.connect(self.plot.set_log)
        self.title.hide()
        self.head.insertWidget(0, self.choice)
        for control in (self.plot.legend, self.log, save_button(self.plot, lambda: self.plot.figure)):
            self.add_control(control)
        self.add(self.plot, 1)

    def show_runs(self, runs: Sequence[RunRow]) -> None:
        """Compare these runs (the first `MOST` of them)."""
        self._runs = tuple(runs[:MOST])
        self.refresh()

    def refresh(self) -> None:
        """Read the curves."""
        key = str(self.choice.currentData())
        found: dict[str, Measured] = {}
        for row in self._runs:
            measured = Measured()
            steps, values = self._store.curve(row.id, key)
            measured.extend(steps.astype(np.int64), values)
            name = row.name if row.name not in found else f"{row.name} {row.id[-4:]}"
            found[name] = measured
        self.plot.show_figure(figures.compared(found, keep=_KEEP if key == "loss" else 0.0))
