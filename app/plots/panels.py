"""The four panels of a run: loss, adapter norm by layer, most changed layers, and one more curve.

Each keeps its own choices (smoothing, log scale, which norm, which curve), remembers them, and makes its figure from a
`Trace` when told that something it shows has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QStackedLayout, QWidget

from app.plots.bars import BarsPlot
from app.plots.canvas import Canvas, Range
from app.plots.heatmap import HeatmapPlot
from app.plots.lines import LinesPlot
from app.plots.saving import add_saving, save_button
from app.widgets import Button, Panel, label
from app.widgets.samples_view import SamplesView
from app.words import number
from core.figures import run as figures
from core.figures.smooth import Smoothed
from core.figures.trace import Trace

SMOOTHINGS = {"None": 0.0, "Light": 0.7, "Medium": 0.9, "Strong": 0.97}


class LossPanel(Panel):
    """Training loss, raw and smoothed, and held-out loss."""

    def __init__(self, settings: QSettings) -> None:
        super().__init__("Loss")
        self._settings = settings
        self.plot = LinesPlot("Loss by step")
        self._smoothed = Smoothed(SMOOTHINGS.get(str(settings.value("run/smoothing", "Medium")), 0.9))
        self._trace: Trace | None = None
        self._span: Range | None = None
        self.log = Button("Log", "ghost", name="Scale the loss by powers of ten")
        self.log.setCheckable(True)
        self.log.setChecked(settings.value("run/log", "false") == "true")
        self.log.toggled.connect(self._set_log)
        self.more = Button("", "ghost", icon="more", name="Smoothing, pictures and numbers")
        self.more.clicked.connect(self._open_menu)
        for control in (self.plot.legend, self.log, self.more):
            self.add_control(control)
        self.add(self.plot, 1)
        self.plot.set_log(self.log.isChecked())

    def show_trace(self, trace: Trace, span: Range | None, *, anew: bool = False) -> None:
        """Show a run's losses."""
        if anew:
            self._smoothed = Smoothed(self._smoothed.keep)
        self._trace, self._span = trace, span
        self.plot.show_figure(figures.loss(trace, self._smoothed, span=span))

    def set_smoothing(self, name: str) -> None:
        """Choose one of `SMOOTHINGS`."""
        self._settings.setValue("run/smoothing", name)
        self._smoothed = Smoothed(SMOOTHINGS[name])
        if self._trace is not None:
            self.show_trace(self._trace, self._span)

    def menu(self) -> QMenu:
        """Smoothing, and pictures and numbers."""
        menu = QMenu(self)
        group = QActionGroup(menu)
        menu.addSection("Smoothing")
        for name, keep in SMOOTHINGS.items():
            action = QAction("No smoothing" if not keep else f"{name} smoothing", menu, checkable=True)
            action.setChecked(keep == self._smoothed.keep)
            action.triggered.connect(lambda _=False, name=name: self.set_smoothing(name))
            group.addAction(action)
            menu.addAction(action)
        menu.addSeparator()
        add_saving(menu, self.plot, lambda: self.plot.figure)
        return menu

    def _open_menu(self) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def _set_log(self, on: bool) -> None:
        self._settings.setValue("run/log", "true" if on else "false")
        self.plot.set_log(on)


class NormsPanel(Panel):
    """The heat map of layers and steps."""

    def __init__(self, settings: QSettings) -> None:
        super().__init__("Adapter norm by layer and step")
        self._settings = settings
        self.plot = HeatmapPlot("Adapter norm by layer and step")
        self.readout = label("", "mono", tone="muted")
        self.choice = _choice("Which norm", {key: axis.label for key, axis in figures.NORMS.items()})
        self.choice.setCurrentIndex(max(self.choice.findData(settings.value("run/norm")), 0))
        self.choice.currentIndexChanged.connect(self._choose)
        self._trace: Trace | None = None
        self._span: Range | None = None
        for control in (self.readout, self.choice, save_button(self.plot, lambda: self.plot.figure)):
            self.add_control(control)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.plot, 1)
        row.addWidget(self.plot.scale_bar)
        self.add(row, 1)
        self.plot.layer_hovered.connect(self._read)

    def show_trace(self, trace: Trace, span: Range | None) -> None:
        """Show a run's norms."""
        self._trace, self._span = trace, span
        self.plot.show_figure(figures.norms(trace, cast(str, self.choice.currentData()), span=span))

    def _choose(self) -> None:
        self._settings.setValue("run/norm", self.choice.currentData())
        if self._trace is not None:
            self.show_trace(self._trace, self._span)

    def _read(self, under: tuple[str, int, float] | None) -> None:
        text = "" if under is None else f"{under[0]}  step {number(under[1])}  {under[2]:.4g}"
        self.readout.setText(text)


class ChangedPanel(Panel):
    """The layers that have moved furthest in proportion to their weights."""

    def __init__(self) -> None:
        super().__init__("Most changed layers", note="dW / W")
        self.plot = BarsPlot("Most changed layers")
        self.add_control(save_button(self.plot, lambda: self.plot.figure))
        self.add(self.plot, 1)

    def show_trace(self, trace: Trace, mark: float | None) -> None:
        """Show the state at the marker, or the newest."""
        self.set_title("Most changed layers", "dW / W" if mark is None else f"dW / W at step {number(round(mark))}")
        self.plot.show_figure(figures.most_changed(trace, step=mark))


class CurvePanel(Panel):
    """One more curve of the run, or what the model says before and after."""

    SAMPLES = "samples"

    def __init__(self, settings: QSettings) -> None:
        super().__init__("More of the run")
        self._settings = settings
        self.plot = LinesPlot("Learning rate by step")
        self.samples = SamplesView()
        self._trace: Trace | None = None
        self._span: Range | None = None
        names = {key: quantity.label for key, quantity in figures.QUANTITIES.items()}
        self.choice = _choice("What this panel shows", names)
        self.choice.setCurrentIndex(max(self.choice.findData(settings.value("run/curve")), 0))
        self.choice.currentIndexChanged.connect(self._choose)
        self._save = save_button(self.plot, lambda: self.plot.figure)
        self.title.hide()
        self.head.insertWidget(0, self.choice)
        for control in (self.plot.legend, self._save):
            self.add_control(control)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self.plot)
        self._stack.addWidget(self.samples)
        self.add(holder, 1)

    @property
    def chosen(self) -> str:
        """The key of the curve, or "samples"."""
        return str(self.choice.currentData())

    def offer_samples(self, offered: bool) -> None:
        """Offer samples where the run has some, and show them unless the user chose a curve before."""
        index = self.choice.findData(self.SAMPLES)
        if offered and index < 0:
            self.choice.addItem("Samples", self.SAMPLES)
            if self._settings.value("run/curve", self.SAMPLES) == self.SAMPLES:
                self.choice.setCurrentIndex(self.choice.count() - 1)
        elif not offered and index >= 0:
            self.choice.blockSignals(True)
            self.choice.removeItem(index)
            self.choice.blockSignals(False)

    def show_trace(self, trace: Trace, span: Range | None) -> None:
        """Show what is chosen of a run."""
        self._trace, self._span = trace, span
        samples = self.chosen == self.SAMPLES
        self._stack.setCurrentIndex(int(samples))
        self.plot.legend.setVisible(not samples and self.plot.mark is not None)
        self._save.setVisible(not samples)
        self.setAccessibleName(self.choice.currentText())
        if samples:
            self.samples.show_samples(trace.store.samples(trace.run))
        else:
            self.plot.show_figure(figures.curve(trace, self.chosen, span=span))

    def _choose(self) -> None:
        self._settings.setValue("run/curve", self.chosen)
        if self._trace is not None:
            self.show_trace(self._trace, self._span)


def move_together(canvases: list[Canvas], marked: Callable[[float | None], object]) -> None:
    """Let marker, pointer and zoom of several plots over the same steps be one."""

    def to_others(origin: Canvas, method: str, value: object) -> None:
        for canvas in canvases:
            if canvas is not origin:
                getattr(canvas, method)(value)

    for canvas in canvases:
        canvas.marked.connect(partial(to_others, canvas, "set_mark"))
        canvas.marked.connect(marked)
        canvas.hovered.connect(canvas.set_hover)
        canvas.hovered.connect(partial(to_others, canvas, "set_hover"))
        canvas.zoomed.connect(partial(to_others, canvas, "set_zoom"))


def _choice(name: str, items: dict[str, str]) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(name)
    for key, text in items.items():
        box.addItem(text, key)
    return box
