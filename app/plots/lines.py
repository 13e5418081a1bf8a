"""Paints `Lines`: curves over steps, with a legend that is also the readout."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt

from app.plots.canvas import Canvas, Range
from app.plots.legend import SYMBOLS, Legend, look
from app.style.theme import Theme
from core.figures.figure import Lines, Mark, Series
from core.figures.ticks import rounded

_MOST_DOTS = 300
"""Measurements up to which a "points" curve has a dot on each."""
_MOST_SMOOTH = 800
"""Points up to which a curve is painted with soft edges: beyond, they cost more than they show."""
_DOT = 5.0
"""Half a dot and a little more, in pixels."""
_TAGS = 6
"""Places on a curve, of those in sight, that carry its shape."""
_BAND = 0.2
"""How much is seen of the spread around a curve."""
_SEEN = 32
"""Points of a curve that tell whether its x counts, as steps do."""
_FEW = 4
"""Curves up to which each has a pair of lowest and highest point for every pixel; of more, for every second one.
pyqtgraph's own five for a pixel cost five times as much and show no more."""


class LinesPlot(Canvas):
    """Curves over steps. `legend` is a widget of its own: put it in the head of the panel, or `upright` beside it."""

    def __init__(self, name: str, *, upright: bool = False) -> None:
        self._curves: dict[str, pg.PlotDataItem] = {}
        self._bands: dict[str, pg.FillBetweenItem] = {}
        self._tags: dict[str, pg.ScatterPlotItem] = {}
        self._looks: dict[str, tuple[str, str, str]] = {}
        self._data: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._fitted: Range | None = None
        self._heights: Range | None = None
        self._hidden: set[str] = set()
        self._marks: list[pg.InfiniteLine] = []
        self._shown_marks: tuple[Mark, ...] = ()
        self._log = False
        self.legend = Legend(upright=upright)
        super().__init__(name)
        # On the plot, which puts its own choice on every curve that is added to it.
        self.getPlotItem().setDownsampling(auto=True, mode="peak")
        self.getPlotItem().setClipToView(True)
        self.legend.toggled.connect(self._toggle)
        self.view.sigResized.connect(self._fit)
        self.getAxis("left").setGrid(255)
        self.restyle()

    def set_log(self, log: bool) -> None:
        """Scale y by powers of ten, or evenly."""
        if log != self._log:
            self._log = log
            self.getAxis("left").setLogMode(False, log)
            self.restyle()

    def set_mark(self, x: float | None) -> None:
        """Put the marker on an x; the legend reads there."""
        super().set_mark(x)
        self.read_at(x)

    def set_hover(self, x: float | None) -> None:
        """Show where the pointer is; the legend reads there, else at the marker, else at the end."""
        super().set_hover(x)
        self.read_at(self.mark if x is None else x)

    def read_at(self, x: float | None) -> None:
        """Show each curve's value at `x` in the legend (None: its newest value)."""
        if isinstance(self.figure, Lines):
            self.legend.read(x, self.figure.at(np.inf if x is None else x), self.figure.x.label.lower())

    def restyle(self) -> None:
        """Take the theme's colours: what is there is painted with others."""
        self._data.clear()
        for series in self.figure.series if isinstance(self.figure, Lines) else ():
            _style_curve(self._curves[series.name], series)
            if series.name in self._bands:
                self._bands[series.name].setBrush(Theme.current().color(series.color, _BAND))
            if series.name in self._tags:
                _style_tags(self._tags[series.name], series)
        for mark in self._marks:
            _style_mark(mark)
        super().restyle()

    def _paint(self, figure: Lines) -> None:
        self.setAccessibleDescription(figure.summary())
        if self._labels != (figure.x, figure.y):
            self._set_labels(figure.x, figure.y)
        self.getAxis("bottom").whole = all((series.x[:_SEEN] % 1 == 0).all() for series in figure.series)
        for name in set(self._curves) - {series.name for series in figure.series}:
            self._take_away(name)
        for name in set(self._bands) - {series.name for series in figure.series if series.low is not None}:
            self.removeItem(self._bands.pop(name))
        self._fitted = None
        bins = 1.0 if len(figure.series) <= _FEW else 0.5
        for series in figure.series:
            self._paint_series(series, bins)
            self._paint_band(series)
        if figure.marks != self._shown_marks:
            self._paint_marks(figure.marks)
        self.legend.show_series(figure.series, self._hidden)
        self.read_at(self.mark)

    def _take_away(self, name: str) -> None:
        """A curve with its band and its shapes."""
        for items in (self._curves, self._bands, self._tags):
            if name in items:
                self.removeItem(items.pop(name))
        self._data.pop(name, None)

    def _paint_series(self, series: Series, bins: float) -> None:
        if self._looks.get(series.name) != look(series):
            self._take_away(series.name)
        self._looks[series.name] = look(series)
        curve = self._curves.get(series.name)
        if curve is None:
            curve = self._curves[series.name] = _new_curve(series)
            self.addItem(curve)
            if series.shape:
                self._tags[series.name] = _new_tags(series)
                self.addItem(self._tags[series.name], ignoreBounds=True)
        dots = SYMBOLS[series.shape] if _dotted(series) else None
        if curve.opts["symbol"] != dots:
            curve.setSymbol(dots)
        curve.opts["autoDownsampleFactor"] = bins
        x, y = self._data.get(series.name, (None, None))
        if x is not series.x or y is not series.y:
            curve.setData(series.x, self._scaled(series.y), antialias=len(series.x) <= _MOST_SMOOTH)
            self._data[series.name] = series.x, series.y
        curve.setVisible(series.name not in self._hidden)

    def _paint_band(self, series: Series) -> None:
        """Fill the spread around a curve."""
        if series.low is None or series.high is None:
            return
        edges = [pg.PlotCurveItem(series.x, self._scaled(edge), pen=None) for edge in (series.low, series.high)]
        if series.name in self._bands:
            self._bands[series.name].setCurves(*edges)
        else:
            band = pg.FillBetweenItem(*edges, brush=Theme.current().color(series.color, _BAND), pen=None)
            band.setZValue(0)
            self._bands[series.name] = band
            self.addItem(band, ignoreBounds=True)
        self._bands[series.name].setVisible(series.name not in self._hidden)

    def _paint_marks(self, marks: tuple[Mark, ...]) -> None:
        """Put the lines where the marks are; lines are used again, as a checkpoint moves its mark every time."""
        while len(self._marks) < len(marks):
            self._marks.append(_new_mark())
            self.addItem(self._marks[-1], ignoreBounds=True)
        extent = self._extent() or (0.0, 1.0)
        for line, mark in zip(self._marks, marks, strict=False):
            side = 1 if mark.x > extent[0] + 0.8 * (extent[1] - extent[0]) else 0
            line.setVisible(True)  # a hidden line's label does not take another text
            line.label.anchors = [(side, 0), (side, 0)]
            line.setPos(mark.x)
            line.label.setFormat(mark.text)
        for line in self._marks[len(marks) :]:
            line.setVisible(False)
        self._shown_marks = marks

    def _scaled(self, y: np.ndarray) -> np.ndarray:
        if not self._log:
            return y
        return np.log10(y, out=np.full(len(y), np.nan), where=y > 0)

    def _extent(self) -> Range | None:
        if not isinstance(self.figure, Lines):
            return None
        ends = [(float(s.x[0]), float(s.x[-1])) for s in self.figure.series if len(s.x)]
        if self.figure.span is not None:
            ends.append(self.figure.span)
        if not ends:
            return None
        first, last = min(start for start, _ in ends), max(end for _, end in ends)
        return (first, last) if first < last else (first - 0.5, last + 0.5)

    def _room(self) -> float:
        """So that the first and the last dot are whole."""
        dots = isinstance(self.figure, Lines) and any(map(_dotted, self.figure.series))
        return _DOT / max(self.view.width(), 1.0) if dots else 0.0

    def _measured(self) -> bool:
        return isinstance(self.figure, Lines) and any(len(series.x) for series in self.figure.series)

    def _fit_y(self, shown: Range) -> None:
        """A plot of another size shows the same values: they are looked through once."""
        if shown != self._fitted:
            self._fitted, self._heights = shown, self._lowest_and_highest(shown)
            self._place_tags(shown)
        if self._heights is not None:
            self.view.setYRange(*self._roomy(*self._heights), padding=0)

    def _lowest_and_highest(self, shown: Range) -> Range | None:
        lows, highs = [], []
        for series in self.figure.series if isinstance(self.figure, Lines) else ():
            first, last = np.searchsorted(series.x, shown[0]), np.searchsorted(series.x, shown[1], side="right")
            for edge in (series.y, series.low, series.high):
                part = self._scaled(edge[max(first - 1, 0) : last + 1]) if edge is not None else np.empty(0)
                if series.name not in self._hidden and len(part) and not np.isnan(part).all():
                    lows.append(float(np.nanmin(part)))
                    highs.append(float(np.nanmax(part)))
        return (min(lows), max(highs)) if lows else None

    def _place_tags(self, shown: Range) -> None:
        """Spread each curve's shapes over what is in sight of it; neighbours have theirs at other places."""
        for place, series in enumerate(self.figure.series if isinstance(self.figure, Lines) else ()):
            if series.name not in self._tags:
                continue
            shift = 0.25 + 0.5 * (place % _TAGS) / _TAGS
            wanted = shown[0] + (np.arange(_TAGS) + shift) * (shown[1] - shown[0]) / _TAGS
            at = np.unique(np.searchsorted(series.x, wanted[wanted <= np.max(series.x, initial=-np.inf)]))
            self._tags[series.name].setData(series.x[at], self._scaled(series.y)[at])
            self._tags[series.name].setVisible(series.name not in self._hidden and not _dotted(series))

    def _roomy(self, low: float, high: float) -> Range:
        """A little more than the range; from one number of the axis to another, where there are no powers of ten."""
        if self._log:
            room = (high - low) * 0.06 or 0.1
            return low - room, high + room
        if low == high:
            low, high = low - (abs(high) * 0.1 or 1.0), high + (abs(high) * 0.1 or 1.0)
        low, high = rounded(low, high, self.getAxis("left").about(self.view.height()))
        room = (high - low) * _DOT / max(self.view.height(), 1.0)
        return low - room, high + room

    def _toggle(self, name: str, on: bool) -> None:
        self._hidden.discard(name) if on else self._hidden.add(name)
        for items in (self._curves, self._bands):
            if name in items:
                items[name].setVisible(on)
        self._fitted = None
        self._fit()


def _dotted(series: Series) -> bool:
    """Whether measurements have dots: where that is asked for, and where a single one would be no line."""
    alone = len(series.x) <= _MOST_DOTS and int(np.isfinite(series.y).sum()) == 1
    return alone or (series.style == "points" and len(series.x) <= _MOST_DOTS)


def _new_tags(series: Series) -> pg.ScatterPlotItem:
    tags = pg.ScatterPlotItem(symbol=SYMBOLS[series.shape], size=9)
    tags.setZValue(4)
    _style_tags(tags, series)
    return tags


def _style_tags(tags: pg.ScatterPlotItem, series: Series) -> None:
    theme = Theme.current()
    tags.setPen(pg.mkPen(theme.color("panel"), width=1))
    tags.setBrush(pg.mkBrush(theme.color(series.color)))


def _new_mark() -> pg.InfiniteLine:
    line = pg.InfiniteLine(angle=90, movable=False, label="", labelOpts={"position": 0.97, "anchors": [(0, 0), (0, 0)]})
    line.setZValue(-5)
    _style_mark(line)
    return line


def _style_mark(line: pg.InfiniteLine) -> None:
    theme = Theme.current()
    line.setPen(pg.mkPen(theme.color("faint"), width=1, style=Qt.PenStyle.DashLine))
    line.label.setFont(theme.font(11))
    line.label.setColor(theme.color("muted"))
    line.label.fill = pg.mkBrush(theme.color("panel"))


def _new_curve(series: Series) -> pg.PlotDataItem:
    curve = pg.PlotDataItem(connect="finite", symbolPen=pg.mkPen(None), symbolSize=6, skipFiniteCheck=False)
    curve.setZValue({"thin": 1, "line": 2, "points": 3, "dashed": 1}[series.style])
    _style_curve(curve, series)
    return curve


def _style_curve(curve: pg.PlotDataItem, series: Series) -> None:
    """Colours for what is painted with the data that it is given next."""
    color = Theme.current().color(series.color, 0.45 if series.style == "thin" else 1.0)
    width = {"thin": 1.0, "line": 1.8, "points": 1.5, "dashed": 1.2}[series.style]
    style = Qt.PenStyle.DashLine if series.style == "dashed" else Qt.PenStyle.SolidLine
    curve.opts["pen"] = pg.mkPen(color, width=width, style=style)
    # Made once: pyqtgraph draws a picture of a dot for each pen and brush that it has not met before.
    curve.opts["symbolBrush"] = pg.mkBrush(color)
