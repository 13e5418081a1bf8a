"""A figure of any kind in a panel of its own: its title, its painter, how to read it, and the ways to save it."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from app.models.numbers import Row
from app.plots.bars import BarsPlot
from app.plots.heatmap import HeatmapPlot
from app.plots.lines import LinesPlot
from app.plots.saving import save_button
from app.plots.scatter import MOST_POINTS, ScatterPlot
from app.style.theme import Theme
from app.widgets.labels import label
from app.widgets.numbers_table import NumbersTable
from app.widgets.panel import Panel
from app.widgets.scroll import scrolled
from app.words import number
from core.figures.figure import Bars, Heatmap, Lines, Scatter, Table

_LEGEND = 0.35
"""Share of the height that the names of curves may take at most."""
_LEAST = 190
"""Height that title and figure must keep for words to stand below them, in unscaled pixels."""
Shown = Lines | Heatmap | Bars | Scatter | Table


class FigurePanel(Panel):
    """One figure; another one of the same kind may take its place with `show_figure`."""

    def __init__(self, figure: Shown) -> None:
        super().__init__(figure.title)
        # Panels side by side share the room evenly, whatever their legends and tables would like to have.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.figure = figure
        self.view = self._make(figure)
        self.help: QLabel = label("", "hint", wrap=True)
        self._told = True
        self.readout = label("", "mono", tone="muted")
        if isinstance(self.view, HeatmapPlot):
            self.view.layer_hovered.connect(self._read)
            self.add_control(self.readout)
        self.add_control(save_button(self.view, lambda: self.figure))
        if isinstance(self.view, HeatmapPlot):
            row = QHBoxLayout()
            row.setSpacing(12)
            row.addWidget(self.view, 1)
            row.addWidget(self.view.scale_bar)
            self.add(row, 1)
        else:
            self.add(scrolled(self.view) if isinstance(self.view, BarsPlot) else self.view, 1)
        self.add(self.help)
        # The panel is as tall as it is made; the painter takes what title and help leave of that.
        self.view.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.show_figure(figure)

    def show_figure(self, figure: Shown) -> None:
        """Show another figure of this kind."""
        self.figure = figure
        count = len(figure.names) if isinstance(figure, Scatter) else 0
        note = f"{number(MOST_POINTS)} of {number(count)} points drawn" if count > MOST_POINTS else ""
        self.set_title(figure.title, note or _measured(figure))
        self.setAccessibleDescription(figure.summary())
        self.help.setText(figure.help)
        if isinstance(self.view, NumbersTable) and isinstance(figure, Table):
            rows = [
                Row(name, name, tuple(map(float, values)))
                for name, values in zip(figure.rows, figure.values, strict=True)
            ]
            self.view.show_rows(["", *(column.text for column in figure.columns)], rows)
            self.view.setAccessibleDescription(figure.summary())
        elif isinstance(self.view, HeatmapPlot) and isinstance(figure, Heatmap):
            self.view.show_figure(_framed(figure))
        elif isinstance(self.view, LinesPlot) and isinstance(figure, Lines):
            self.view.show_figure(figure)
        elif isinstance(self.view, BarsPlot | ScatterPlot):
            self.view.show_figure(figure)  # type: ignore[arg-type]  # of this painter's kind: see `_make`
            if isinstance(self.view, BarsPlot):
                self.view.show_all()

    def tell(self, told: bool) -> None:
        """Whether the words on how to read it stand below the figure, where there is room for them."""
        self._told = told
        self._place_help()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Words give way to the figure where there is little room: they are its tooltip then."""
        super().resizeEvent(event)
        self._place_help()

    def _place_help(self) -> None:
        if isinstance(self.view, LinesPlot):
            legend = self.view.legend
            legend.setVisible(legend.height_at(self.width() - 40) <= _LEGEND * self.height())
        left = self.height() - self.help.heightForWidth(max(self.width() - 40, 1))
        room = left >= Theme.current().px(_LEAST)
        self.help.setVisible(self._told and room and bool(self.help.text()))
        self.view.setToolTip("" if room or not self.help.text() else f"<qt>{self.help.text()}</qt>")

    def _read(self, under: tuple[str, int, float] | None) -> None:
        """The cell under the pointer: its row, its column, its value."""
        if under is None or not isinstance(self.figure, Heatmap):
            self.readout.clear()
            return
        row, column, value = under
        self.readout.setText(f"{row}, {self.figure.columns[column] if self.figure.columns else column}: {value:.4g}")

    def _make(self, figure: Shown) -> QWidget:
        """The painter of this kind of figure."""
        if isinstance(figure, Lines):
            view = LinesPlot(figure.title)
            view.legend.wrap()
            self.add(view.legend)
            view.marked.connect(view.set_mark)
            view.hovered.connect(view.set_hover)
            return view
        if isinstance(figure, Heatmap):
            return HeatmapPlot(figure.title)
        if isinstance(figure, Bars):
            return BarsPlot(figure.title)
        return ScatterPlot(figure.title) if isinstance(figure, Scatter) else NumbersTable(figure.title)


def _measured(figure: Shown) -> str:
    """What the lengths of bars are, where the title does not say it."""
    if not isinstance(figure, Bars):
        return ""
    value = figure.value
    return value.unit if value.label.casefold() in figure.title.casefold() else value.text


def _framed(figure: Heatmap) -> Heatmap:
    """Whole cells at both ends, and a number beside each row where the figure names none."""
    ticks = figure.ticks or tuple((row, name) for row, name in enumerate(figure.rows))
    if not len(figure.steps):
        return figure
    return replace(figure, ticks=ticks, span=(float(figure.steps[0]) - 0.5, float(figure.steps[-1]) + 0.5))
