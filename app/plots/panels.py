"""The four panels of a run: loss, maps by layer and step, most changed layers, and what else there is to see.

Each keeps its own choices (smoothing, log scale, which norm, which curve), remembers them, and makes its figure from a
`Trace` when told that something it shows has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QAction, QActionGroup, QResizeEvent, QStandardItemModel
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedLayout, QWidget

from app.plots.bars import BarsPlot
from app.plots.canvas import Canvas, Range
from app.plots.heatmap import HeatmapPlot
from app.plots.lines import LinesPlot
from app.plots.own_figures import OwnFigures
from app.plots.saving import add_saving, save_button, saving_menu
from app.style.theme import Theme
from app.widgets import Button, Panel, label
from app.widgets.choice_box import ChoiceBox
from app.widgets.samples_view import SamplesView
from app.words import number
from core.figures import run as figures
from core.figures.live.figure import LiveFigure
from core.figures.live.layer_map import LayerMap
from core.figures.smooth import Smoothed
from core.figures.trace import Trace

_WITH_TITLE = 540
"""Width from which title and chooser of the map stand side by side, in unscaled pixels."""
_LETTERS = {True: 28, False: 16}
"""Letters of the map's name that its chooser has room for, where it stands beside the title, and where not."""
SMOOTHINGS = {"None": 0.0, "Light": 0.7, "Medium": 0.9, "Strong": 0.97}


class LossPanel(Panel):
    """Training loss, raw and smoothed, and held-out loss."""

    def __init__(self, settings: QSettings) -> None:
        super().__init__("Loss")
        self._settings = settings
        self.setToolTip(f"<qt>{figures.LOSS}</qt>")
        self.plot = LinesPlot("Loss by step")
        self._smoothed = Smoothed(SMOOTHINGS.get(str(settings.value("run/smoothing", "Medium")), 0.9))
        self.unit = "nats per token"
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
        self.plot.show_figure(figures.loss(trace, self._smoothed, span=span, unit=self.unit))

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
        super().__init__("By layer and step")
        self._settings = settings
        self.plot = HeatmapPlot("By layer and step")
        self.readout = label("", "mono", tone="muted")
        self.choice = _choice("What the map shows", {key: axis.label for key, axis in figures.NORMS.items()})
        self.choice.setCurrentIndex(max(self.choice.findData(settings.value("run/norm")), 0))
        self.choice.currentIndexChanged.connect(self._choose)
        self._maps: dict[str, LayerMap] = {}
        self._trace: Trace | None = None
        self._span: Range | None = None
        self.choice.setMinimumContentsLength(_LETTERS[False])
        for control in (self.readout, self.choice, save_button(self.plot, lambda: self.plot.figure)):
            self.add_control(control)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.plot, 1)
        row.addWidget(self.plot.scale_bar)
        self.add(row, 1)
        self.plot.layer_hovered.connect(self._read)

    @property
    def reads(self) -> set[str]:
        """The vectors that it shows."""
        chosen = self._maps.get(self.choice.currentData())
        return set(figures.NORMS) if chosen is None else set(chosen.vectors)

    def offer(self, own: Sequence[LiveFigure]) -> None:
        """Offer the maps that the run's method has of its own behind the norms."""
        self._maps = {figure.key: figure for figure in own if isinstance(figure, LayerMap)}
        names = {key: axis.label for key, axis in figures.NORMS.items()}
        wanted = self._settings.value("run/norm")
        _refill(self.choice, [names, {key: figure.title for key, figure in self._maps.items()}], wanted)

    def show_trace(self, trace: Trace, span: Range | None) -> None:
        """Show the map of a run."""
        self._trace, self._span = trace, span
        key = cast(str, self.choice.currentData())
        if key in self._maps:
            trace.want(vectors=self._maps[key].vectors)
            figure = self._maps[key].draw(trace, span=span)
        else:
            figure = figures.norms(trace, key, span=span)
        self.setAccessibleName(figure.title)
        self.plot.setToolTip(f"<qt>{figure.help}</qt>" if figure.help else "")
        self.plot.show_figure(figure)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Without the title where there is no room for it: the chooser says the same."""
        super().resizeEvent(event)
        wide = self.width() >= Theme.current().px(_WITH_TITLE)
        self.title.setVisible(wide)
        self.choice.setMinimumContentsLength(_LETTERS[wide])

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
        self.setToolTip(f"<qt>{figures.CHANGED_HELP}</qt>")
        self.plot = BarsPlot("Most changed layers")
        self.add_control(save_button(self.plot, lambda: self.plot.figure))
        self.add(self.plot, 1)

    def show_trace(self, trace: Trace, mark: float | None) -> None:
        """Show the state at the marker, or the newest."""
        self.set_title("Most changed layers", "dW / W" if mark is None else f"dW / W at step {number(round(mark))}")
        self.plot.show_figure(figures.most_changed(trace, step=mark))


class CurvePanel(Panel):
    """What the run's method shows of itself, one more curve of the run, or what the model says before and after.

    Unless the user has chosen something else for this method, the method's own figure comes first, then the samples.
    """

    SAMPLES = "samples"

    def __init__(self, settings: QSettings, own: OwnFigures | None = None) -> None:
        super().__init__("More of the run")
        self._settings = settings
        self.plot = LinesPlot("Learning rate by step")
        self.own = own or OwnFigures()
        self.samples = SamplesView()
        self._figures: dict[str, LiveFigure] = {}
        self._method = ""
        self._has_samples = False
        self._mark: float | None = None
        self._trace: Trace | None = None
        self._span: Range | None = None
        self.choice = _choice("What this panel shows", _curves())
        self.choice.currentIndexChanged.connect(self._choose)
        self._save = Button("", "ghost", icon="download", name="Save this plot")
        self._save.clicked.connect(self._open_saving)
        self.title.hide()
        # It takes the width of the head: titles of figures are longer than names of curves.
        self.head.insertWidget(0, self.choice, 100)
        for control in (self.plot.legend, self._save):
            self.add_control(control)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self.plot)
        self._stack.addWidget(self.samples)
        self._stack.addWidget(self.own)
        self.add(holder, 1)

    @property
    def chosen(self) -> str:
        """The key of the curve or figure, or "samples"."""
        return str(self.choice.currentData())

    @property
    def reads(self) -> set[str]:
        """What it shows, as `Feed.run_changed` names it."""
        figure = self._figures.get(self.chosen)
        return {self.chosen} if figure is None else {*figure.curves, *figure.vectors}

    @property
    def canvases(self) -> tuple[Canvas, ...]:
        """The plots over the run's steps."""
        return self.plot, *self.own.canvases

    def offer(self, own: Sequence[LiveFigure], method: str) -> None:
        """Offer the figures that the run's method has of its own."""
        self._figures, self._method = {figure.key: figure for figure in own}, method
        self._refill()

    def offer_samples(self, offered: bool) -> None:
        """Offer samples where the run has some."""
        if offered != self._has_samples:
            self._has_samples = offered
            self._refill()

    def show_trace(self, trace: Trace, span: Range | None, mark: float | None = None) -> None:
        """Show what is chosen of a run, as it stands or stood at the marker."""
        self._trace, self._span, self._mark = trace, span, mark
        figure, samples = self._figures.get(self.chosen), self.chosen == self.SAMPLES
        self._stack.setCurrentIndex(1 if samples else 0 if figure is None else 2)
        self.plot.legend.setVisible(figure is None and not samples and self.plot.mark is not None)
        self._save.setVisible(not samples)
        self.setAccessibleName(self.choice.currentText())
        if figure is not None:
            self.own.show_figure(figure, trace, span=span, mark=mark)
        elif samples:
            self.samples.show_samples(trace.store.samples(trace.run))
        else:
            curve = figures.curve(trace, self.chosen, span=span)
            self.plot.setToolTip(f"<qt>{curve.help}</qt>")
            self.plot.show_figure(curve)

    def _refill(self) -> None:
        """Offer what there is, and show what the user chose for this method, else what comes first."""
        own = {key: figure.title for key, figure in self._figures.items()}
        samples = {self.SAMPLES: "Samples"} if self._has_samples else {}
        _refill(self.choice, [own, samples, _curves()], self._settings.value(self._setting))
        if self._trace is not None:
            self.show_trace(self._trace, self._span, self._mark)

    @property
    def _setting(self) -> str:
        """Where the choice is remembered: for each method with figures of its own, and for all others together."""
        return f"run/curve/{self._method}" if self._figures else "run/curve"

    def _open_saving(self) -> None:
        plot: QWidget = self.own.plot if self.chosen in self._figures else self.plot
        menu = saving_menu(plot, lambda: self.own.figure if self.chosen in self._figures else self.plot.figure)
        menu.popup(self._save.mapToGlobal(self._save.rect().bottomLeft()))

    def _choose(self) -> None:
        self._settings.setValue(self._setting, self.chosen)
        if self._trace is not None:
            self.show_trace(self._trace, self._span, self._mark)


def _curves() -> dict[str, str]:
    """The curves of every run, by key."""
    return {key: quantity.label for key, quantity in figures.QUANTITIES.items()}


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


def keep_apart(one: ChoiceBox, other: ChoiceBox) -> None:
    """What one of two choosers shows cannot be chosen in the other; where both show the same, the second gives way."""
    shown = one.currentData()
    if shown == other.currentData():
        other.setCurrentIndex(next((at for at in range(other.count()) if other.itemData(at) not in (shown, None)), 0))
    for box, taken in ((one, other.currentData()), (other, one.currentData())):
        model = cast(QStandardItemModel, box.model())
        for at in range(box.count()):
            if box.itemData(at) is not None:
                model.item(at).setEnabled(box.itemData(at) != taken)


def _choice(name: str, items: dict[str, str]) -> ChoiceBox:
    box = ChoiceBox()
    box.setAccessibleName(name)
    box.setToolTip(name)
    for key, text in items.items():
        box.addItem(text, key)
    return box


def _refill(box: ChoiceBox, groups: Sequence[dict[str, str]], wanted: object) -> None:
    """Offer groups of choices with a line between them, without telling anybody; the first where `wanted` is gone."""
    box.blockSignals(True)
    box.clear()
    for group in groups:
        if group and box.count():
            box.insertSeparator(box.count())
        for key, text in group.items():
            box.addItem(text, key)
    known = any(wanted in group for group in groups)
    box.setCurrentIndex(box.findData(wanted) if known else 0)
    box.blockSignals(False)
