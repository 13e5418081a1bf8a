"""Every figure that can be drawn, on contact sheets to be looked at: `python -m tests.gallery FOLDER`.

Each is painted as its page paints it, in both schemes, at the size it has on a page and at a narrow one, and as the
report draws it on paper. Then all of them once more from what is rare and goes wrong first: one layer, 560 layers,
numbers that are all alike, holes, one measurement, none, long names.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QByteArray, QRectF, QSettings, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QWidget

from app.models.exports import kept_figure
from app.plots.figure_panel import FigurePanel
from app.plots.histogram import HistogramPlot
from app.plots.panels import ChangedPanel, CurvePanel, LossPanel, NormsPanel
from app.start import make_application
from app.style.theme import Choice, Theme
from app.widgets.panel import Panel
from app.widgets.words_table import WordsTable
from core.config.run import AXES
from core.events import CheckpointSaved, LayersChosen
from core.figures import anatomy, compare, run, svg
from core.figures.figure import Axis, Figure, Histogram, Mark, Table, Words
from core.figures.live.figure import LiveFigure
from core.figures.live.layer_map import LayerMap
from core.figures.live.of_task import TASK_FIGURES
from core.figures.smooth import Smoothed
from core.figures.trace import Measured
from core.layers import LayerInfo
from tests.app.seed import layers as llama_layers

SIZES = {"page": QSize(690, 350), "narrow": QSize(340, 250)}
SHEET = QSize(1388, 1400)
PAPER = QSize(690, 330)
LONG = "what-a-careful-person-calls-the-third-attempt-at-this-with-another-seed"


@dataclass
class World:
    """Where numbers come from.

    Attributes:
        name: of its sheets.
        blocks, steps: how many.
        change: what is done to the numbers, (…, layers) or (steps,).
        names: what two runs are called.
        fused: whether layers have long names.
    """

    name: str
    blocks: int = 30
    steps: int = 200
    change: Callable[[np.ndarray], np.ndarray] = field(default=lambda values: values)
    names: tuple[str, str] = ("dora-first-try", "lora-second-try")
    fused: bool = False
    events: list[tuple[float, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.fused:
            self.layers = tuple(
                LayerInfo(f"gpt_neox.layers.{block}.attention.query_key_value_and_more", "qkv", block, 64, 64)
                for block in range(self.blocks)
            )
        else:
            self.layers = tuple(llama_layers(max(self.blocks, 1))[: None if self.blocks > 0 else 1])
        self.random = np.random.default_rng(0)
        if self.steps > 100:
            self.events.append((0.0, CheckpointSaved(100, "checkpoints/step-000100", best=True)))
        if self.steps:
            shares = np.abs(self.by_layer()) / max(float(np.nansum(np.abs(self.by_layer()))), 1e-9)
            found = {layer.name: float(np.nan_to_num(s)) for layer, s in zip(self.layers, shares, strict=True)}
            self.events.append((0.0, LayersChosen(found, [one.name for one in self.layers[::3]])))

    def by_layer(self, scale: float = 1.0) -> np.ndarray:
        """A number a layer, largest above the middle."""
        if not self.steps:
            return np.full(len(self.layers), np.nan)
        place = np.linspace(0, 1, len(self.layers))
        return self.change(
            scale * (0.1 + np.exp(-(((place - 0.6) / 0.2) ** 2)) * self.random.uniform(0.4, 1, len(place)))
        )

    # As a trace

    def want(self, **_: object) -> None:
        """Everything is there."""

    def curve(self, key: str) -> Measured:
        """A scalar by step."""
        found = Measured()
        every = 20 if key.startswith("held_out") else 1
        steps = np.arange(0, self.steps, every)
        falling = 3.4 + 1.2 * np.exp(-steps / max(self.steps / 5, 1)) + self.random.normal(0, 0.1, len(steps))
        if key == "active_rank":
            falling = self.random.integers(1, 9, len(steps)).astype(float)
        if key == "memory":
            falling = falling * 6e8
        if len(steps):
            found.extend(steps, self.change(falling))
        return found

    def vector(self, key: str) -> Measured:
        """A row of numbers by step."""
        found = Measured(len(self.layers))
        if self.steps:
            steps = np.unique(np.linspace(0, self.steps - 1, min(self.steps, 1000)).astype(int))
            grown = 1 - np.exp(-3 * steps / self.steps) + 0.01
            rows = (
                grown[:, None] * self.by_layer()[None] * self.random.uniform(0.9, 1.1, (len(steps), len(self.layers)))
            )
            rows = np.round(8 * rows) if key == "rank" else rows * (0.07 if key == "relative_norm" else 1)
            found.extend(steps, rows.astype(np.float32))
        return found


WORLDS = (
    World("usual"),
    World("one layer", blocks=0),
    World("560 layers", blocks=80, steps=2000),
    World("alike", blocks=4, change=lambda values: np.full_like(values, 0.5)),
    World(
        "holes",
        blocks=4,
        change=lambda values: np.where(
            np.arange(values.shape[-1]) % 5 < 2, [np.nan, np.inf][values.shape[-1] % 2], values
        ),
    ),
    World("one step", blocks=4, steps=1),
    World("nothing", blocks=4, steps=0),
    World("long names", blocks=12, names=(LONG, f"{LONG}-again"), fused=True),
)


def widgets(world: World, settings: QSettings) -> Iterator[tuple[str, Callable[[], QWidget]]]:
    """Name and maker of each figure's widget."""
    trace: Any = world
    span = (0.0, float(world.steps or 200))
    yield "loss", lambda: _shown(LossPanel(settings), trace, span)
    for key in run.NORMS:
        yield key, lambda key=key: _norms(settings, key, trace, span)
    yield "changed", lambda: _shown(ChangedPanel(), trace, None)
    for key in run.QUANTITIES:
        yield key, lambda key=key: _curve(settings, (), key, trace, span)
    for live in live_figures():
        if isinstance(live, LayerMap):
            yield live.key, lambda live=live: _norms(settings, live.key, trace, span, live)
        yield live.key, lambda live=live: _curve(settings, (live,), live.key, trace, span)
    for name, figure in figures(world):
        yield name, lambda figure=figure: shown(figure)


def shown(figure: Figure | Table | Words) -> Panel:
    """A figure in a panel, as its page has it."""
    if isinstance(figure, Words):
        return _words(figure)
    return _histogram(figure) if isinstance(figure, Histogram) else FigurePanel(figure)


def live_figures() -> list[LiveFigure]:
    """Those that members and tasks declare, none twice."""
    found = {live.key: live for lives in TASK_FIGURES.values() for live in lives}
    found |= {live.key: live for axis in AXES.values() for member in axis.members for live in member.shows}
    return list(found.values())


def figures(world: World) -> Iterator[tuple[str, Figure | Table | Words]]:
    """What Insight, comparisons, exports and reports draw."""
    layers, (one, other), random = world.layers, world.names, world.random
    values = world.by_layer()
    good = np.nan_to_num(values, posinf=0.0)
    index = np.arange(1, 9)
    spectra = [float(size) * np.exp(-index / 2.5) for size in good]
    if world.steps:
        yield "singular_values", anatomy.singular_values([run.short_name(layer) for layer in layers[:4]], spectra[:4])
    yield "spectrum", anatomy.spectrum_map(layers, spectra)
    yield "effective_rank", anatomy.effective_ranks(layers, 6 * values, np.full(len(layers), 8.0))
    yield "rank_map", anatomy.rank_map(layers, np.round(8 * values))
    yield "used_map", anatomy.used_map(layers, 6 * values)
    phi = np.clip(0.6 * np.exp(-np.add.outer(index, index) / 9) + random.uniform(0, 0.1, (8, 8)), 0, 1)
    if world.blocks == 0:
        phi = phi[:1, :1]
    yield "phi", anatomy.similarity(phi, one, other, run.short_name(layers[0]), "what dW reads")
    yield "diagonal", anatomy.similarity_line(phi, np.full(phi.shape, 0.02), run.short_name(layers[0]))
    yield "shared", anatomy.shared_by_layer(layers, values)
    yield "amplification", anatomy.amplification(layers, np.column_stack([values * place for place in range(1, 8)]))
    yield "factor", anatomy.amplified(layers, 30 * values)
    yield "agreement_map", anatomy.agreement_map(layers, values - 0.4, one, other)
    yield "agreement", anatomy.agreement(layers, values - 0.4, one, other)
    names = [f"{run.short_name(layer)}, step {step}" for step in (40, 80, 120) for layer in layers]
    xs, shares = np.concatenate([good, 1.5 * good, 2 * good]), np.repeat([0.33, 0.66, 1.0], len(layers))
    ys = 0.01 * (1.2 - xs + random.normal(0, 0.1, len(xs))) if world.name != "alike" else xs
    if world.steps:
        yield "movement", anatomy.movement(one, names, xs, ys, shares, (0.012, -0.01))
    yield "trend", anatomy.trends({one: (-0.2, -0.4, 0.1, -0.3, -0.5, 0.2, 90), other: (np.nan,) * 6 + (1,)})
    yield (
        "ranking",
        anatomy.ranking(
            layers,
            values,
            good / max(good.max(), 1e-9),
            label="Ablation",
            unit="nats per token",
            tells="Held-out loss without it.",
        ),
    )
    yield "every_rank", anatomy.every_rank(index.astype(float), 3.5 + 0.5 * np.exp(-index / 3))
    for count in (1, 2, 8, 20):
        for by in ("step", "seconds") if count == 2 else ("step",):
            yield (
                f"curves {count} {by}",
                compare.curves([_course(world, place) for place in range(count)], "loss", by, keep=0.9),
            )  # type: ignore[arg-type]
    yield "seeds", compare.curves([_course(world, place) for place in range(6)], "loss", "step", keep=0.9, grouped=True)
    yield "held out", compare.curves([_course(world, place, "held_out") for place in range(3)], "held_out", "step")
    yield "difference", compare.layer_difference(world.names, (layers, layers), (good, good[::-1]))
    samples = [{"Define: politician": (100, f"{name} says that one shakes your hand " * 4)} for name in world.names]
    yield "answers", compare.answers(world.names, samples)
    counts = np.bincount(random.integers(0, 24, 40 * len(layers)), minlength=24) if world.steps else np.zeros(24, int)
    edges = tuple(float(edge) for edge in range(0, 24 * 8 + 1, 8))
    cut = Mark(160.0, "cut at 160")
    help = "How many examples are so long."
    yield "lengths", Histogram("Lengths", Axis("Tokens"), Axis("Examples"), edges, tuple(map(int, counts)), cut, help)
    yield (
        "kept",
        kept_figure(
            {
                "rank": 8,
                "layers": [
                    {"name": one.name, "block": one.block, "share": min(float(s), 1)}
                    for one, s in zip(layers, good, strict=True)
                ],
            }
        ),
    )


def _course(world: World, place: int, key: str = "loss") -> compare.Course:
    seconds = Measured()
    if world.steps:
        seconds.extend(np.arange(world.steps), (0.5 + 0.1 * place) * np.arange(world.steps, dtype=float))
    name = f"{world.names[place % 2]}-{place}"
    return compare.Course(name, str(place % 2), world.curve(key), seconds, seconds)


def _shown(panel: Any, *args: Any) -> QWidget:
    panel.show_trace(*args)
    return panel


def _norms(settings: QSettings, key: str, trace: Any, span: Any, live: LiveFigure | None = None) -> QWidget:
    settings.setValue("run/norm", key)
    panel = NormsPanel(settings)
    panel.offer([live] if live is not None else [])
    panel.choice.setCurrentIndex(panel.choice.findData(key))
    panel.show_trace(trace, span)
    return panel


def _curve(settings: QSettings, lives: tuple[LiveFigure, ...], key: str, trace: Any, span: Any) -> QWidget:
    panel = CurvePanel(settings)
    panel.offer(lives, "a method")
    panel.choice.setCurrentIndex(panel.choice.findData(key))
    panel.show_trace(trace, span)
    return panel


def _words(figure: Words) -> Panel:
    panel, table = Panel(figure.title), WordsTable(figure.title)
    table.show_figure(figure)
    panel.add(table, 1)
    return panel


def _histogram(figure: Histogram) -> Panel:
    panel, plot = Panel(figure.title), HistogramPlot(figure.title)
    panel.setToolTip(figure.help)
    plot.show_figure(figure)
    panel.add(plot, 1)
    return panel


class Sheets:
    """Pictures side by side, many on a file."""

    def __init__(self, folder: Path, name: str, tile: QSize) -> None:
        self.folder, self.name, self.tile, self.count = folder, name, tile, 0
        self._new()

    def add(self, paint: Callable[[QPainter, QRectF], object]) -> None:
        """Paint one more."""
        columns, rows = SHEET.width() // self.tile.width(), SHEET.height() // self.tile.height()
        place = self.count % (columns * rows)
        if place == 0 and self.count:
            self.save()
            self._new()
        room = QRectF(
            place % columns * self.tile.width(),
            place // columns * self.tile.height(),
            self.tile.width(),
            self.tile.height(),
        )
        with QPainter(self.image) as painter:
            painter.setClipRect(room.adjusted(0, 0, -4, -4))
            paint(painter, room)
        self.count += 1

    def save(self) -> None:
        """Write what there is."""
        columns, rows = SHEET.width() // self.tile.width(), SHEET.height() // self.tile.height()
        used = (self.count - 1) % (columns * rows) // columns + 1
        self.image.copy(0, 0, SHEET.width(), used * self.tile.height()).save(
            str(self.folder / f"{self.name}-{(self.count - 1) // (columns * rows):02d}.png".replace(" ", "-"))
        )

    def _new(self) -> None:
        self.image = QImage(SHEET, QImage.Format.Format_RGB32)
        self.image.fill(QColor("#808080"))


def _grab(app: QApplication, widget: QWidget, size: QSize) -> Callable[[QPainter, QRectF], object]:
    widget.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    widget.resize(size - QSize(4, 4))
    widget.show()
    for _ in range(3):
        app.processEvents()
    taken = widget.grab()
    widget.close()
    widget.deleteLater()
    app.processEvents()
    return lambda painter, room: painter.drawPixmap(room.topLeft(), taken)


def main(folder: Path, wanted: list[str]) -> None:
    """Write all sheets, or those of the worlds that are named."""
    folder.mkdir(parents=True, exist_ok=True)
    app = make_application()
    settings = QSettings(str(Path(tempfile.mkdtemp()) / "window.ini"), QSettings.Format.IniFormat)
    for world in WORLDS:
        if wanted and world.name not in wanted:
            continue
        schemes: tuple[Choice, ...] = ("dark", "light")
        for scheme in schemes:
            Theme.current().choose(scheme)
            for label, size in SIZES.items():
                if world.name != "usual" and (label == "page") != (scheme == "light" and world.name == "long names"):
                    continue
                sheets = Sheets(folder, f"{world.name}-{scheme}-{label}", size)
                for name, make in widgets(world, settings):
                    try:
                        sheets.add(_grab(app, make(), size))
                    except Exception as error:
                        print(world.name, name, repr(error))
                sheets.save()
        paper = Sheets(folder, f"{world.name}-paper", PAPER)
        trace: Any = world
        drawn = [
            run.loss(trace, Smoothed(0.9)), run.norms(trace, "relative_norm"), run.most_changed(trace),
            *(live.draw(trace) for live in live_figures()),
            *(figure for _, figure in figures(world)),
        ]  # fmt: skip
        for figure in drawn:
            if not isinstance(figure, Table | Words):
                assert figure.summary()
                paper.add(lambda painter, room, figure=figure: _on_paper(painter, room, figure))
        paper.save()


def _on_paper(painter: QPainter, room: QRectF, figure: Figure) -> None:
    painter.fillRect(room, QColor("#ffffff"))
    painter.setPen(QColor("#000000"))
    painter.drawText(room.adjusted(6, 2, 0, 0), figure.title)
    renderer = QSvgRenderer(QByteArray(svg.draw(figure).encode()))
    box = renderer.viewBoxF()
    inner = room.adjusted(4, 22, -8, -8)
    scale = min(inner.width() / box.width(), inner.height() / box.height())
    renderer.render(painter, QRectF(inner.x(), inner.y(), box.width() * scale, box.height() * scale))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
