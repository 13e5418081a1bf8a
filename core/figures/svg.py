"""Figures as SVG text, for reports that have to be read, printed and sent without a program: ink on white, no scripts.

The window has its own painters (`app.plots`); this one draws the same values with nothing but numbers and strings. What
it draws stays small however long the run was: curves are thinned to what the width can show, maps to as many columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from core.figures import scale
from core.figures.figure import Axis, Bars, Figure, Floats, Heatmap, Histogram, Lines, Scatter, Series, Shape
from core.figures.names import shortened
from core.figures.png import data_url
from core.figures.ticks import power_ticks, rounded, spelled, ticks

WIDTH, HEIGHT = 760, 320
LEFT, RIGHT, TOP, BOTTOM = 78, 18, 12, 46
POINTS, COLUMNS, BARS = 600, 120, 20
BESIDE, LONGEST = 4, 24
"""Names of curves in a row below the frame, and letters of each where there are so many."""
ACROSS, UP = 110, 44
"""Letters of what an axis measures."""
SHARP = 2
"""Pixels of a picture for each unit of the paper, at least where a cell has room for one."""
ROW = 12
"""Least height of a row of a map that has a number of its own."""
TAGS = 6
"""Places on a curve that carry its shape."""
COLORS = {"blue": scale.CURVES_ON_LIGHT[0], "amber": scale.CURVES_ON_LIGHT[1]}
SHAPES: Mapping[Shape, str] = {
    "triangle": "m0 -4.5l4.5 8h-9z", "square": "m-3.5 -3.5h7v7h-7z", "diamond": "m0 -5l4 5l-4 5l-4 -5z",
}  # fmt: skip
"""Paths from the middle of each; what has no shape of its own is a dot."""


def draw(figure: Figure) -> str:
    """The figure as one `<svg>` element, with its summary for a screen reader."""
    match figure:
        case Lines():
            height, parts = _lines_height(figure), _lines(figure)
        case Heatmap():
            height, parts = HEIGHT + 40, _heatmap(figure)
        case Bars():
            height, parts = _bars_height(figure), _bars(figure)
        case Scatter():
            height, parts = HEIGHT, _scatter(figure)
        case Histogram():
            height, parts = HEIGHT, _histogram(figure)
    said = escape(figure.summary(), quote=True)
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = f'<svg {spaces} viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{said}" '
    style = 'font-family="Inter, Helvetica, Arial, sans-serif" font-size="11" fill="#444">'
    return "\n".join([head + style, *parts, "</svg>"])


def color(share: float, *, middle: bool = False) -> str:
    """The colour of a value from 0 to 1; with a `middle`, of one on either side of 0.5."""
    return "#" + bytes(_colors(middle=middle)[round(float(np.clip(share, 0, 1)) * 255)]).hex()


def _colors(*, middle: bool) -> NDArray[np.uint8]:
    """256 colours on paper, of shape (256, 3)."""
    return scale.diverging(dark=False) if middle else scale.sequential()


class _Frame:
    """Where data lie on the paper, with ticks and labels; `log` for a y axis in powers of ten."""

    def __init__(self, xs: Floats, ys: Floats, x: Axis, y: Axis, *, room: float = 0.0, log: bool = False) -> None:
        self.x_low, self.x_high = _extent(xs, room)
        self.log = log and bool((ys > 0).any())
        if self.log:
            low, high = _extent(np.log10(ys[ys > 0]), 0.04)
            self.y_ticks = power_ticks(10**low, 10**high)
        else:
            low, high = rounded(*_extent(ys, 0.0))
            self.y_ticks = ticks(low, high)
        self.y_low, self.y_high = low, high
        self.whole = bool((xs[np.isfinite(xs)] % 1 == 0).all())
        self.x, self.y = x, y

    def across(self, value: float) -> float:
        return LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def up(self, value: float) -> float:
        value = float(np.log10(value)) if self.log else value
        return HEIGHT - BOTTOM - (value - self.y_low) / (self.y_high - self.y_low) * (HEIGHT - TOP - BOTTOM)

    def parts(self) -> list[str]:
        """Grid, numbers and names of the axes."""
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        found = []
        for value, text in zip(self.y_ticks, spelled(self.y_ticks), strict=True):
            at = self.up(value)
            found.append(f'<path d="M{LEFT} {at:.1f}H{right}" stroke="#e4e4e4"/>')
            found.append(_text(LEFT - 6, at + 4, text, "end"))
        values = ticks(self.x_low, self.x_high, whole=self.whole)
        for value, text in zip(values, spelled(values), strict=True):
            found.append(_text(self.across(value), bottom + 16, text, "middle"))
        found.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" stroke="#888" fill="none"/>')
        return [*found, *_labels(self.x.text, self.y.text, HEIGHT)]


def _lines(figure: Lines) -> list[str]:
    if not figure.series:
        return [_nothing()]
    frame = _Frame(
        np.concatenate([one.x for one in figure.series]),
        np.concatenate([part for one in figure.series for part in (one.y, one.low, one.high) if part is not None]),
        figure.x, figure.y, log=figure.log,
    )  # fmt: skip
    parts = frame.parts()
    for one in figure.series:
        paint = _color(one.color)
        stride = max(1, len(one.x) // POINTS)
        parts += _band(frame, one, stride, paint)
        path = _path(frame, one.x[::stride], one.y[::stride])
        parts.append(f'<path d="{path}" stroke="{paint}" stroke-width="1.6" fill="none" {_look(one)}/>')
    for place, one in enumerate(figure.series):
        at = _signed(one, place)
        good = at[np.isfinite(one.y[at]) & ((one.y[at] > 0) | (not frame.log))]
        paint = _color(one.color)
        parts += [_sign(one.shape, frame.across(one.x[i]), frame.up(one.y[i]), paint) for i in good.tolist()]
    return parts + _names(figure.series)


def _signed(one: Series, place: int) -> NDArray[np.int64]:
    """Which measurements of the `place`th curve carry a dot or its shape."""
    if (one.style == "points" and len(one.x) <= 64) or int(np.isfinite(one.y).sum()) == 1:
        return np.arange(len(one.x))
    count = TAGS if one.shape and len(one.x) else 0
    share = (np.arange(count) + 0.25 + 0.5 * (place % TAGS) / TAGS) / TAGS
    return np.unique((share * len(one.x)).astype(np.int64))


def _lines_height(figure: Lines) -> int:
    """With room for the names of the curves below."""
    return HEIGHT + 10 + 16 * -(-len(figure.series) // _in_a_row(figure.series)) if figure.series else HEIGHT


def _in_a_row(series: Sequence[Series]) -> int:
    """How many names stand side by side: few where they are long."""
    longest = max(len(one.name) for one in series)
    return BESIDE if longest <= LONGEST else 2 if longest <= 2 * LONGEST else 1


def _names(series: Sequence[Series]) -> list[str]:
    """The names of the curves below the frame, each behind a stretch of its curve."""
    parts, beside = [], _in_a_row(series)
    for place, one in enumerate(series):
        paint, at = _color(one.color), LEFT + place % beside * (WIDTH - LEFT - RIGHT) / beside
        y = HEIGHT + 12 + 16 * (place // beside)
        parts.append(f'<path d="M{at:.1f} {y - 4}h16" stroke="{paint}" stroke-width="2" {_look(one)}/>')
        if one.shape or one.style == "points":
            parts.append(_sign(one.shape, at + 8, y - 4, paint))
        parts.append(_text(at + 22, y, one.name, "start"))
    return parts


def _look(one: Series) -> str:
    """Dashes and faintness of a curve."""
    dashes = 'stroke-dasharray="5 4" ' if one.style == "dashed" else ""
    return f'{dashes}opacity="{0.35 if one.style == "thin" else 1}"'


def _band(frame: _Frame, one: Series, stride: int, paint: str) -> list[str]:
    """The spread around a curve."""
    if one.low is None or one.high is None or not len(one.x):
        return []
    upper = _path(frame, one.x[::stride], one.high[::stride])
    lower = _path(frame, one.x[::stride][::-1], one.low[::stride][::-1]).replace("M", "L", 1)
    return [f'<path d="{upper}{lower}Z" fill="{paint}" opacity="0.18"/>']


def _path(frame: _Frame, xs: Floats, ys: Floats) -> str:
    """The curve, lifted where there is no number."""
    words, pen_down = [], False
    for x, y in zip(xs, ys, strict=True):
        seen = bool(np.isfinite(y)) and (y > 0 or not frame.log)
        if seen:
            words.append(f"{'L' if pen_down else 'M'}{frame.across(x):.1f} {frame.up(y):.1f}")
        pen_down = seen
    return "".join(words)


def _scatter(figure: Scatter) -> list[str]:
    if not figure.names:
        return [_nothing()]
    frame = _Frame(figure.xs, figure.ys, figure.x, figure.y, room=0.03)
    fills = [color(float(share)) for share in figure.shares] or [COLORS["blue"]] * len(figure.xs)
    parts = frame.parts()
    for name, x, y, fill in zip(figure.names, figure.xs, figure.ys, fills, strict=True):
        dot = _sign("", frame.across(x), frame.up(y), fill)
        # The outline is what the brightest points are seen by on white paper.
        parts.append(dot.replace("/>", f' stroke="#555" stroke-width="0.5"><title>{escape(name)}</title></circle>'))
    if figure.trend is not None:
        ends = np.array([frame.x_low, frame.x_high])
        path = _path(frame, ends, np.clip(figure.trend[0] + figure.trend[1] * ends, frame.y_low, frame.y_high))
        parts.append(f'<path d="{path}" stroke="{COLORS["amber"]}" stroke-dasharray="5 4" fill="none"/>')
    return parts


def _heatmap(figure: Heatmap) -> list[str]:
    if not figure.values.size or not np.isfinite(figure.values).any():
        return [_nothing()]
    columns = np.unique(np.linspace(0, len(figure.steps) - 1, min(COLUMNS, len(figure.steps))).astype(int))
    values = figure.values[columns].astype(np.float64)
    low, high = figure.range(float(np.nanmin(values)), float(np.nanmax(values)))
    middle = figure.middle is not None
    wide, tall = (WIDTH - LEFT - RIGHT) / len(columns), (HEIGHT - TOP - BOTTOM) / len(figure.rows)
    shares = (values - low) / (high - low) if high > low else values * 0 + (0.5 if middle else 0)
    parts = [_picture(shares.T[::-1], LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, middle=middle)]
    marks = figure.ticks or tuple((row, name) for row, name in enumerate(figure.rows) if len(figure.rows) <= 16)
    for row, name in marks[:: _stride(len(marks), tall * len(figure.rows))]:
        parts.append(_text(LEFT - 6, HEIGHT - BOTTOM - (row + 0.5) * tall + 4, name, "end"))
    for place, text in _column_names(figure, columns):
        parts.append(_text(LEFT + (place + 0.5) * wide, HEIGHT - BOTTOM + 16, text, "middle"))
    return [
        *parts,
        *_labels(figure.x.text, figure.y.text, HEIGHT),
        *_scale(figure.value.text, low, high, middle=middle),
    ]


def _picture(shares: Floats, x: float, y: float, wide: float, tall: float, *, middle: bool) -> str:
    """Cells of shape (rows from the top, columns), each in the colour of its share; nothing where there is none."""
    good = np.isfinite(shares)
    pixels = np.zeros((*shares.shape, 4), np.uint8)
    places = np.round(np.clip(np.where(good, shares, 0), 0, 1) * 255).astype(int)
    pixels[..., :3] = _colors(middle=middle)[places]
    pixels[..., 3] = np.where(good, 255, 0)
    # Each cell as many pixels as there is room for: not every reader of SVG knows that it must not smooth between them.
    down, across = (max(1, round(SHARP * room / count)) for room, count in zip((tall, wide), shares.shape, strict=True))
    pixels = pixels.repeat(down, axis=0).repeat(across, axis=1)
    look = 'preserveAspectRatio="none" image-rendering="pixelated"'
    return f'<image x="{x}" y="{y}" width="{wide}" height="{tall}" {look} xlink:href="{data_url(pixels)}"/>'


def _stride(count: int, room: float) -> int:
    """Every how manyth of so many rows has a number, where rows are that tall together."""
    return next((stride for stride in (1, 2, 5, 10, 20, 50) if count / stride * ROW <= room), 100)


def _column_names(figure: Heatmap, columns: NDArray[np.int64]) -> list[tuple[int, str]]:
    """Which columns have a name or a number below them."""
    if figure.columns:
        stride = max(1, -(-len(columns) // 16))
        return [(place, figure.columns[columns[place]]) for place in range(0, len(columns), stride)]
    steps = figure.steps[columns].astype(np.float64)
    if len(steps) == 1:
        return [(0, f"{steps[0]:.6g}")]
    values = ticks(float(steps[0]), float(steps[-1]), 8, whole=True)
    places = np.abs(steps[:, None] - np.array(values)).argmin(0)
    return list(zip(places.tolist(), spelled(values), strict=True))


def _scale(text: str, low: float, high: float, *, middle: bool) -> list[str]:
    """The colours with their numbers, below the map."""
    top, wide = HEIGHT + 10, 200
    parts = [_picture(np.linspace(0, 1, 256)[None], LEFT, top, wide, 12, middle=middle)]
    parts.append(_text(LEFT - 6, top + 10, f"{low:.3g}", "end"))
    parts.append(_text(LEFT + wide + 6, top + 10, f"{high:.3g}   {text}", "start"))
    return parts


def _bars_height(figure: Bars) -> int:
    known = bool(np.isfinite(figure.values).any())
    return 20 + 16 * min(len(figure.names), BARS) + BOTTOM if known else HEIGHT


def _bars(figure: Bars) -> list[str]:
    count = min(len(figure.names), BARS)
    if not np.isfinite(figure.values).any():
        return [_nothing()]
    values = np.nan_to_num(figure.values[:count])
    begin, end = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    both = float(np.nan_to_num(figure.values).min()) < 0  # also where the first bars are all on one side
    left, room = 170, (WIDTH - 170 - 90) / ((end - begin) or 1.0)
    zero = left - begin * room
    shares = np.abs(values) / ((end - begin) or 1.0) if figure.shares is None else figure.shares[:count]
    parts = []
    for place, (name, value, share) in enumerate(zip(figure.names, values, shares, strict=False)):
        y, wide = TOP + 16 * place, float(value) * room
        fill = color(float(np.nan_to_num(share)), middle=both)
        parts.append(_text(left - 8, y + 10, shortened(name, LONGEST), "end"))
        parts.append(f'<path d="M{zero:.1f} {y}h{wide:.1f}v12h{-wide:.1f}z" fill="{fill}"/>')
        said = f"{value:.4g}" if np.isfinite(figure.values[place]) else "–"
        parts.append(_text(zero + max(wide, 0) + 6, y + 10, said, "start"))
    more = f" ({len(figure.names) - count} more)" if len(figure.names) > count else ""
    return [*parts, _text(left, _bars_height(figure) - 18, figure.value.text + more, "start")]


def _histogram(figure: Histogram) -> list[str]:
    single = bool((np.diff(figure.edges) == 1).all())
    edges = np.array(figure.edges) - 0.5 * single  # a bar of one number stands over it
    frame = _Frame(edges, np.array([0.0, *figure.counts]), figure.x, figure.y)
    frame.whole |= single
    parts = frame.parts()
    for low, high, count in zip(edges[:-1], edges[1:], figure.counts, strict=True):
        x, wide, y = frame.across(low), frame.across(high) - frame.across(low), frame.up(count)
        parts.append(f'<path d="M{x:.1f} {y:.1f}h{wide:.1f}V{frame.up(0):.1f}h-{wide:.1f}z" fill="{COLORS["blue"]}"/>')
    return parts


def _extent(values: NDArray[np.float64], room: float) -> tuple[float, float]:
    """Lowest and highest number, with a share of room around; never empty."""
    good = values[np.isfinite(values)]
    if not len(good):
        return 0.0, 1.0
    low, high = float(good.min()), float(good.max())
    if low == high:
        return low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5
    return low - (high - low) * room, high + (high - low) * room


def _labels(x: str, y: str, height: int) -> Iterable[str]:
    middle = (TOP + height - BOTTOM) / 2
    yield _text((LEFT + WIDTH - RIGHT) / 2, height - 12, shortened(x, ACROSS), "middle")
    said = escape(shortened(y, UP))
    yield f'<text x="14" y="{middle}" transform="rotate(-90 14 {middle})" text-anchor="middle">{said}</text>'


def _text(x: float, y: float, text: str, anchor: str, paint: str = "#444") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{paint}">{escape(text)}</text>'


def _sign(shape: Shape, x: float, y: float, paint: str) -> str:
    dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"'
    path = f'<path d="M{x:.1f} {y:.1f}{SHAPES[shape]}"' if shape else dot
    return f'{path} fill="{paint}" fill-opacity="0.85"/>'


def _nothing() -> str:
    return _text(WIDTH / 2, HEIGHT / 2, "Nothing measured yet.", "middle", "#888")


def _color(token: str) -> str:
    """A colour for paper, of a token of the theme."""
    name, _, place = token.partition(":")
    if name == "scale":
        return color(0.85 * float(place))
    curves = scale.CURVES_ON_LIGHT
    return curves[int(place) % len(curves)] if name == "series" else COLORS.get(token, curves[0])
