"""The five kinds of figure, and tables, as values: what is shown, with names and units, not how it is painted.

They are numpy only, so a figure can be tested, written as CSV and read out by a screen reader without a window, and
the same value is painted on the screen and in an exported picture.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Style = Literal["thin", "line", "points", "dashed"]
Shape = Literal["", "triangle", "square", "diamond"]


@dataclass(frozen=True, slots=True)
class Axis:
    """What is measured along a direction, and in what unit."""

    label: str
    unit: str = ""

    @property
    def text(self) -> str:
        """`Loss (nats per token)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def within(self) -> str:
        """Its name within a sentence: `change of direction dD`."""
        return self.label[:1].lower() + self.label[1:]


@dataclass(frozen=True, slots=True)
class Series:
    """One curve.

    Attributes:
        name: for the legend.
        x, y: float64 of one length, x rising; NaN in y leaves a gap.
        style: thin (raw measurements), line, points (line with dots on the measurements), dashed.
        color: a token of the theme (`blue`, `amber`, `series:3`).
        shape: what stands on the curve here and there, so that not colour alone tells it from others; dots take it too.
        low, high: a band around y, of its length: the spread of several runs; None for none.
    """

    name: str
    x: Floats
    y: Floats
    style: Style = "line"
    color: str = "blue"
    shape: Shape = ""
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the x axis with a word: a checkpoint, a resumption."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves over one x axis. `span` is the whole extent of x where it is known beforehand (all steps of a run).

    `log` asks for a y axis in powers of ten.
    """

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...] = ()
    marks: tuple[Mark, ...] = ()
    span: tuple[float, float] | None = None
    help: str = ""
    log: bool = False

    def csv(self) -> str:
        """A table with one row for each x that occurs; empty where a series has no value there."""
        xs = np.unique(np.concatenate([s.x for s in self.series])) if self.series else np.empty(0)
        heads, columns = [self.x.label], []
        for one in self.series:
            for name, values in ((one.name, one.y), (f"{one.name} low", one.low), (f"{one.name} high", one.high)):
                if values is not None:
                    column = np.full(len(xs), np.nan)
                    column[np.searchsorted(xs, one.x)] = values
                    columns.append(column)
                    heads.append(name)
        return _table(heads, zip(xs, *columns, strict=True))

    def summary(self) -> str:
        """One sentence: where each curve begins and ends."""
        told = []
        for one in self.series:
            good = np.flatnonzero(np.isfinite(one.y))
            if len(good):
                first, last = one.y[good[0]], one.y[good[-1]]
                told.append(f"{one.name} from {first:.4g} to {last:.4g}")
        return f"{self.title} by {self.x.within}: {'; '.join(told) or 'nothing measured yet'}."

    def at(self, x: float) -> dict[str, float]:
        """The value of each series at the last measurement not after `x`; series that begin later are left out."""
        found = {}
        for one in self.series:
            index = int(np.searchsorted(one.x, x, side="right")) - 1
            if index >= 0:
                found[one.name] = float(one.y[index])
        return found


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A value by row and x: layers down (the last on top), steps across.

    Attributes:
        rows: names, first row at the bottom.
        steps: the x of each column, rising.
        values: float32 of shape (columns, rows).
        value: what the colour says.
        ticks: row indices to label, with their labels.
        span: the whole extent of x where it is known beforehand.
        finding: the summary, where it is not about layers and steps.
        columns: names of the columns, where x is no number.
        middle: where values lie on both sides of it, and the colours say on which; None: from low to high.
        ends: what the ends of the colours mean; None: as the values have it.
    """

    title: str
    x: Axis
    y: Axis
    value: Axis
    rows: tuple[str, ...]
    steps: NDArray[Any]
    values: NDArray[np.float32]
    ticks: tuple[tuple[int, str], ...] = ()
    span: tuple[float, float] | None = None
    help: str = ""
    finding: str = ""
    columns: tuple[str, ...] = ()
    middle: float | None = None
    ends: tuple[float, float] | None = None

    def csv(self) -> str:
        """A table with one row for each step (or named column) and one column for each row of the map."""
        rows = ((step, *values) for step, values in zip(self.columns or self.steps, self.values, strict=True))
        return _table([self.x.label, *self.rows], rows)

    def summary(self) -> str:
        """One sentence: which row has the largest value at the end."""
        if self.finding:
            return f"{self.title}: {self.finding}"
        if not len(self.steps) or not np.isfinite(self.values[-1]).any():
            return f"{self.title}: nothing measured yet."
        top = int(np.nanargmax(self.values[-1]))
        return (
            f"{self.title}: {len(self.rows)} layers over {len(self.steps)} measurements; the largest at step "
            f"{int(self.steps[-1])} is {self.values[-1, top]:.4g} in {self.rows[top]}."
        )

    def range(self, low: float, high: float) -> tuple[float, float]:
        """What the ends of the colours mean, where the values go from `low` to `high`.

        From nothing up where nothing is below; as far to both sides of the middle where there is one.
        """
        if self.ends is not None:
            return self.ends
        if self.middle is not None:
            far = max(high - self.middle, self.middle - low, 0.0)
            return self.middle - far, self.middle + far
        return min(low, 0.0) if high > 0 else low, high

    def at(self, x: float) -> int | None:
        """The column of the last measurement not after `x`; None before the first."""
        index = int(np.searchsorted(self.steps, x, side="right")) - 1
        return index if index >= 0 else None


@dataclass(frozen=True, slots=True)
class Bars:
    """Named values, longest first or in any order. `shares` (0 to 1) colour them; None: by their length.

    Where some are below zero, bars go to both sides, and a share of 0.5 is the middle of the colours.
    """

    title: str
    value: Axis
    names: tuple[str, ...]
    values: Floats
    details: tuple[str, ...] = ()
    shares: Floats | None = None
    help: str = ""

    def csv(self) -> str:
        """A table of name and value."""
        return _table(["name", self.value.text], zip(self.details or self.names, self.values, strict=True))

    def summary(self) -> str:
        """One sentence: the first bars."""
        if not np.isfinite(self.values).any():
            return f"{self.title}: nothing measured yet."
        first = ", ".join(f"{n} {_number(v, 3)}" for n, v in list(zip(self.names, self.values, strict=True))[:3])
        return f"{self.title}, in {self.value.text}: {first}."


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points with names. `shares` (0 to 1) colour them; `trend` is a line's (intercept, slope).

    `spans` are the ranges of x and y where several figures are to be shown on the same axes.
    """

    title: str
    x: Axis
    y: Axis
    names: tuple[str, ...]
    xs: Floats
    ys: Floats
    shares: Floats = field(default_factory=lambda: np.empty(0))
    trend: tuple[float, float] | None = None
    help: str = ""
    spans: tuple[tuple[float, float], tuple[float, float]] | None = None

    def csv(self) -> str:
        """A table of name, x and y."""
        return _table(["name", self.x.text, self.y.text], zip(self.names, self.xs, self.ys, strict=True))

    def summary(self) -> str:
        """One sentence: how many points, over what range, and the slope."""
        if not self.names:
            return f"{self.title}: nothing measured yet."
        slope = f"; slope {self.trend[1]:.3g}" if self.trend else ""
        return (
            f"{self.title}: {len(self.names)} points, {self.x.within} {self.xs.min():.3g} to "
            f"{self.xs.max():.3g}, "
            f"{self.y.within} {self.ys.min():.3g} to {self.ys.max():.3g}{slope}."
        )


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many of something lie between two borders: `edges` has one number more than `counts`.

    `mark` is a place on the x axis with a word: where examples are cut.
    """

    title: str
    x: Axis
    y: Axis
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mark: Mark | None = None
    help: str = ""

    def csv(self) -> str:
        """A table of the borders and the count between them."""
        rows = zip(self.edges[:-1], self.edges[1:], self.counts, strict=True)
        return _table([f"{self.x.text} from", "to", self.y.text], rows)

    def summary(self) -> str:
        """One sentence: the whole extent and the fullest bar."""
        if not sum(self.counts):
            return f"{self.title}: nothing measured yet."
        top, edges = int(np.argmax(self.counts)), self.edges
        return (
            f"{self.title}: {sum(self.counts)} {self.y.within}, {self.x.within} {edges[0]:.4g} to "
            f"{edges[-1]:.4g}; the most ({self.counts[top]}) from {edges[top]:.4g} to {edges[top + 1]:.4g}."
        )


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers with names, in rows and columns; NaN where there is none.

    Attributes:
        rows: names of the rows.
        columns: what each column holds.
        values: float64 of shape (rows, columns).
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[Axis, ...]
    values: Floats
    help: str = ""

    def csv(self) -> str:
        """The table itself."""
        rows = ((name, *values) for name, values in zip(self.rows, self.values, strict=True))
        return _table(["name", *(column.text for column in self.columns)], rows)

    def summary(self) -> str:
        """One sentence: its size and its first row."""
        if not self.rows:
            return f"{self.title}: nothing measured yet."
        first = ", ".join(
            f"{column.within} {_number(value, 4)}" for column, value in zip(self.columns, self.values[0], strict=True)
        )
        return f"{self.title}, {_rows(len(self.rows))}; {self.rows[0]}: {first}."


@dataclass(frozen=True, slots=True)
class Words:
    """A table of text: what is called what in each of several runs.

    Attributes:
        rows: names of the rows.
        columns: names of the columns.
        cells: a text for each row and column.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    help: str = ""

    def csv(self) -> str:
        """The table itself."""
        return _table(
            ["name", *self.columns], ((name, *cells) for name, cells in zip(self.rows, self.cells, strict=True))
        )

    def summary(self) -> str:
        """One sentence: its size and its first row."""
        if not self.rows:
            return f"{self.title}: nothing."
        first = "; ".join(f"{column} {cell}" for column, cell in zip(self.columns, self.cells[0], strict=True))
        return f"{self.title}, {_rows(len(self.rows))}; {self.rows[0]}: {first}."


Figure = Lines | Heatmap | Bars | Scatter | Histogram
"""What has a painter; a `Table` is shown as one."""


def _number(value: float, digits: int) -> str:
    """A number as it is read out."""
    return f"{value:.{digits}g}" if np.isfinite(value) else "unknown"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV text of a head and rows."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    """A cell: text as it is, NaN as nothing, numbers in the fewest digits that tell them apart."""
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return ""
    return str(int(value)) if float(value).is_integer() else str(value)
