"""What a method shows of itself: one live figure at a time, whatever its kind, with how to read it below.

Which figures there are is said by the members of the axes (`core.figures.live`); nothing here knows a method.
"""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from app.plots.bars import BarsPlot
from app.plots.canvas import Canvas
from app.plots.heatmap import HeatmapPlot
from app.plots.histogram import HistogramPlot
from app.plots.lines import LinesPlot
from app.plots.scatter import ScatterPlot
from app.style.theme import Theme
from app.widgets import label
from app.widgets.scroll import scrolled
from app.widgets.tab_order import lead_through
from app.words import number
from core.figures.figure import Bars, Figure, Heatmap, Histogram, Lines, Scatter
from core.figures.live.figure import LiveFigure, Span
from core.figures.run import STEP
from core.figures.trace import Trace

_ROOM_FOR_HELP = 230
"""Height from which the words stand below the figure; in less room they are the figure's tooltip alone."""

Painter = LinesPlot | HeatmapPlot | BarsPlot | ScatterPlot | HistogramPlot
P = TypeVar("P", LinesPlot, HeatmapPlot, BarsPlot, ScatterPlot, HistogramPlot)


class OwnFigures(QWidget):
    """A painter for each kind of figure, of which one is seen; those that few methods need are made when one does.

    Attributes:
        lines, map: those whose x is the run's step: marker, pointer and zoom are shared with other plots of the run.
        plot: the painter that is seen.
        figure: what it shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines, self.map = LinesPlot("Figure of the method by step"), HeatmapPlot("Map of the method by step")
        self.plot: Painter = self.lines
        self.figure: Figure | None = None
        self.readout = label("", "mono", tone="muted")
        self.help = label("", "hint", wrap=True)
        # Inside its panel it takes what room there is, whatever its words would like to have.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self._lay_out()
        self.map.layer_hovered.connect(self._read)

    @property
    def canvases(self) -> tuple[Canvas, ...]:
        """The painters over the run's steps."""
        return self.lines, self.map

    def show_figure(self, live: LiveFigure, trace: Trace, *, span: Span | None, mark: float | None) -> None:
        """Show a figure as it stands, or stood at the marker."""
        trace.want(curves=live.curves, vectors=live.vectors)
        figure = live.draw(trace, span=span, mark=mark)
        self.figure, self.plot = figure, self._painter(figure)
        self._stack.setCurrentIndex(self._places[self.plot])
        if isinstance(figure, Lines) and isinstance(self.plot, LinesPlot):
            self.plot.set_log(figure.log)
        self.plot.show_figure(figure)  # type: ignore[arg-type]  # of this painter's kind
        if isinstance(self.plot, BarsPlot):
            self.plot.show_all()
        self.lines.legend.setVisible(self.plot is self.lines and len(getattr(figure, "series", ())) > 1)
        self.readout.setVisible(self.plot is self.map)
        self.plot.setAccessibleName(figure.title)
        self.help.setText(figure.help)
        self.plot.setToolTip("" if self._has_room() else f"<qt>{self.help.text()}</qt>")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show the words where there is room for them."""
        super().resizeEvent(event)
        self.help.setVisible(self._has_room())

    def hasHeightForWidth(self) -> bool:
        """No: long words below a figure must not push the rest of the page away."""
        return False

    def minimumSizeHint(self) -> QSize:
        """Room for a small plot."""
        return QSize(Theme.current().px(160), Theme.current().px(90))

    def _has_room(self) -> bool:
        return self.height() >= Theme.current().px(_ROOM_FOR_HELP)

    def _painter(self, figure: Figure) -> Painter:
        match figure:
            case Lines():
                return self.lines if figure.x == STEP else self._curve
            case Heatmap():
                return self.map
            case Scatter():
                return self._points
            case Histogram():
                return self._counts
            case Bars():
                return self._bars

    @cached_property
    def _curve(self) -> LinesPlot:
        plot = LinesPlot("Figure of the method")
        plot.marked.connect(plot.set_mark)
        plot.hovered.connect(plot.set_hover)
        return self._placed(plot)

    @cached_property
    def _points(self) -> ScatterPlot:
        return self._placed(ScatterPlot("Points of the method"))

    @cached_property
    def _bars(self) -> BarsPlot:
        plot = BarsPlot("Bars of the method")
        return self._placed(plot, scrolled(plot))

    @cached_property
    def _counts(self) -> HistogramPlot:
        return self._placed(HistogramPlot("Counts of the method"))

    def _placed(self, plot: P, frame: QWidget | None = None) -> P:
        """Put a painter among the others, in a frame where it has one."""
        self._places[plot] = self._stack.addWidget(frame or plot)
        lead_through(self, self._places)
        return plot

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addStretch(1)
        head.addWidget(self.readout)
        head.addWidget(self.lines.legend)
        rows.addLayout(head)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        framed = QWidget()
        beside = QHBoxLayout(framed)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(12)
        beside.addWidget(self.map, 1)
        beside.addWidget(self.map.scale_bar)
        self._places: dict[QWidget, int] = {}
        self._placed(self.lines)
        self._placed(self.map, framed)
        rows.addWidget(holder, 1)
        rows.addWidget(self.help)

    def _read(self, under: tuple[str, int, float] | None) -> None:
        self.readout.setText("" if under is None else f"{under[0]}  step {number(under[1])}  {under[2]:.4g}")
