"""Everything in the window that moves, moved as a hand would: dragged over its whole range, typed, clicked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QScrollBar, QSlider, QStyle, QStyleOptionSlider

from app.models.importance import Importance
from core.store.rows import RunRow
from tests.benchmarks.large.answers import anatomy, scores

if TYPE_CHECKING:
    from app.pages.insight import InsightPage
    from app.pages.layers import LayersPage
    from app.pages.method import MethodPage
    from app.pages.model import ModelPage
    from app.pages.run import RunPage
    from app.pages.runs import RunsPage
    from app.plots.canvas import Canvas
    from app.widgets.layer_map import LayerMap
    from app.window import Window

Action = Callable[[], object]
_MOVES = 40
"""How many places a thing is dragged through."""
_LEFT = Qt.MouseButton.LeftButton


def moves(window: Window) -> Iterable[tuple[str, Iterable[Action]]]:
    """What is moved, in this order: its name, and what is done one after another."""
    yield from _on_run(window, cast("RunPage", window.page("run")))
    yield from _on_runs(window, cast("RunsPage", window.page("runs")))
    yield from _on_model(window, cast("ModelPage", window.page("model")))
    yield from _on_layers(window, cast("LayersPage", window.page("layers")))
    yield from _on_method(window, cast("MethodPage", window.page("method")))
    yield from _on_insight(window, cast("InsightPage", window.page("insight")))
    yield from _of_all(window)


def _on_run(window: Window, page: RunPage) -> Iterable[tuple[str, Iterable[Action]]]:
    yield "run: to the page", [lambda: window.go("run")]
    yield "run: slider over steps", _dragged(page.moments.slider)
    yield "run: marker", [partial(page.loss.plot._mark_by_hand, at) for at in _steps(page)]
    yield "run: marker away", [partial(page.loss.plot._mark_by_hand, None)]
    yield "run: pointer over the loss", _hovered(page.loss.plot)
    yield "run: pointer over the map", _hovered(page.norms.plot)
    spans = [(0.3 * share, 1 - 0.5 * share) for share in np.linspace(0, 1, _MOVES)]
    last = _steps(page)[-1]
    yield "run: zoom", [partial(page.loss.plot._zoom_by_hand, (a * last, b * last)) for a, b in spans]
    yield "run: whole again", [partial(page.loss.plot._zoom_by_hand, None)]
    yield "run: another curve", [partial(page.curve.choice.setCurrentIndex, at) for at in _chosen(page.curve.choice)]
    yield "run: another map", [partial(page.norms.choice.setCurrentIndex, at) for at in _chosen(page.norms.choice)]
    yield "run: smoothing", [partial(page.loss.set_smoothing, name) for name in ("None", "Light", "Strong", "Medium")]
    yield "run: logarithmic", [page.loss.log.click, page.loss.log.click]


def _on_runs(window: Window, page: RunsPage) -> Iterable[tuple[str, Iterable[Action]]]:
    orders = [(column, order) for column in (1, 2, 5, 7) for order in Qt.SortOrder]
    yield "runs: to the page", [lambda: window.go("runs")]
    yield "runs: scrolling", _dragged(page.table.verticalScrollBar())
    yield "runs: order", [partial(page.table.sortByColumn, *by) for by in orders]
    yield "runs: typing a search", _typed(page.search, "run-0123")
    yield "runs: search found", [lambda: None]
    yield "runs: search taken away", [page.search.clear, lambda: None]
    statuses = [*range(1, page.filter.count()), 0]
    yield "runs: status", [partial(page.filter.setCurrentIndex, at) for at in statuses]
    yield "runs: choosing one", [partial(page.table.selectRow, row) for row in range(0, _MOVES * 10, 10)]
    yield "runs: choosing all", [page.table.selectAll]
    yield "runs: read again", [page.refresh, page.refresh]
    runs = [row.id for row in window.context.store.runs(search="long")]
    yield "compare: ten long runs", [lambda: page.compare(runs)]
    for key, chip in page.beside.views.items():
        yield f"compare: {key}", [chip.click]
    yield "compare: another pair", [partial(page.beside.second.setCurrentIndex, at) for at in range(len(runs))]
    curves = page.beside.curves
    yield "compare: back to curves", [page.beside.views["curves"].click]
    yield "compare: aligned by", [partial(curves.by.setCurrentIndex, at) for at in _chosen(curves.by)]
    yield "compare: another curve", [partial(curves.choice.setCurrentIndex, at) for at in _chosen(curves.choice)]
    yield "compare: pointer", _hovered(curves.plot)
    yield "compare: back to the list", [page.back.click]
    yield "another long run on show", [partial(_watch, window, row) for row in window.context.store.runs(search="long")]


def _on_model(window: Window, page: ModelPage) -> Iterable[tuple[str, Iterable[Action]]]:
    path = window.document.config.model.path
    yield "model: to the page", [lambda: window.go("model")]
    yield "model: none, then 560 layers", [partial(window.document.update, {"model.path": at}) for at in ("", path)]


def _on_layers(window: Window, page: LayersPage) -> Iterable[tuple[str, Iterable[Action]]]:
    document, path = window.document, window.document.config.model.path
    yield "layers: to the page", [lambda: window.go("layers")]
    yield "layers: none, then 560 layers", [partial(document.update, {"model.path": at}) for at in ("", path)]
    yield "layers: presets", [page.presets.chips[key].click for key in ("none", "qv", "mlp", "last", "all", "none")]
    before = document.undo.index()
    yield "layers: painting all of them", _painted(page.map)
    yield "layers: painting, undone", [document.undo.undo for _ in range(document.undo.index() - before)]
    yield "layers: painting, done again", [document.undo.redo for _ in range(before, document.undo.count())]
    for key, chosen in ((Qt.Key.Key_Z, "undo key"), (Qt.Key.Key_Y, "redo key")):
        yield f"layers: {chosen}", [partial(QTest.keyClick, window, key, Qt.KeyboardModifier.ControlModifier)]
    yield "layers: scrolling", _dragged(page.map.verticalScrollBar())
    yield "layers: rank", [partial(document.set, "adapter.rank", rank) for rank in (1, 2, 4, 8, 16, 32, 64)]
    yield "layers: colour", [partial(_activate, page.color_by, at) for at in _chosen(page.color_by)[:8]]
    yield "layers: finding", [*_typed(page.filter.line, "1*.q_proj"), page.filter.line.clear]


def _on_method(window: Window, page: MethodPage) -> Iterable[tuple[str, Iterable[Action]]]:
    yield "method: to the page", [lambda: window.go("method")]
    yield "method: every name", [chip.click for chip in page.method.chips.values()]
    yield "method: undo and redo", [window.document.undo.undo, window.document.undo.redo] * 3
    for axis, editor in page.method.axes.items():
        places = [*range(editor.combo.count()), editor.combo.currentIndex()]
        yield f"method: every {axis}", [partial(_activate, editor.combo, place) for place in places]
    yield "method: back to LoRA", [page.method.chips["lora"].click]


def _on_insight(window: Window, page: InsightPage) -> Iterable[tuple[str, Iterable[Action]]]:
    """Answers of the worker for all layers: their scores, and what they have learned by twenty checkpoints."""
    model = window.document.model
    assert model is not None
    layers = [layer for layer in model.layers if layer.adaptable]
    window.document.update({"adapter.layers": "all-linear", "adapter.ranks": {}, "adapter.alphas": {}})
    measured = Importance.of(scores(layers), name="", config=window.document.config, run="")
    yield "insight: to the page", [lambda: window.go("insight")]
    yield "insight: scores come", [lambda: page._show_measured(measured)]
    yield "insight: views of them", [button.click for button in page.view.views.values()]
    yield "insight: another score", [partial(page.view.score.setCurrentIndex, at) for at in (1, 2, 0)]
    for key, view in page.view.views.items():
        yield f"insight: to the {key}", [view.click]
        for way, chip in page.act.ways.items():
            yield f"insight: {way} slider, {key}", [chip.click, *_dragged(page.act.slider)]
    yield "insight: to the anatomy", [page.parts["anatomy"].click]
    for what, chip in page.anatomy.whats.items():
        yield f"insight: {what}", [chip.click]
        answer = anatomy(what, layers)
        if answer is not None:
            yield f"insight: {what}, answered", [partial(page.anatomy._show_answer, answer)]
            yield f"insight: {what}, checkpoints", _dragged(page.anatomy.moments.slider)


def _of_all(window: Window) -> Iterable[tuple[str, Iterable[Action]]]:
    """Size of the window and of its text, and the theme, with each page in front."""
    from app.window import PAGES

    theme = window.context.theme
    for key in PAGES:
        yield f"{key}: in front", [partial(window.go, key)]
        sizes = [*zip(range(1440, 2561, 80), range(900, 1441, 38), strict=False), (1440, 900)]
        yield f"{key}: size of the window", [partial(window.resize, *size) for size in sizes]
        yield f"{key}: size of the text", [partial(theme.zoom, way) for way in (1, 1, -1, -1)]
        yield f"{key}: theme", [partial(theme.choose, choice) for choice in ("light", "dark", "light", "dark")]


def _dragged(slider: QSlider | QScrollBar) -> Iterable[Action]:
    """The handle is taken, moved from end to end and back, and let go; where there is nothing to move, a click."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    control = QStyle.ComplexControl.CC_Slider if isinstance(slider, QSlider) else QStyle.ComplexControl.CC_ScrollBar
    part = QStyle.SubControl.SC_SliderHandle if isinstance(slider, QSlider) else QStyle.SubControl.SC_ScrollBarSlider
    at = slider.style().subControlRect(control, option, part, slider).center()
    across = slider.orientation() == Qt.Orientation.Horizontal
    length = slider.width() if across else slider.height()
    places = [round(place) for place in (*np.linspace(0, length, _MOVES), *np.linspace(length, 0, _MOVES))]
    yield partial(QTest.mousePress, slider, _LEFT, Qt.KeyboardModifier.NoModifier, at)
    for place in places:
        yield partial(QTest.mouseMove, slider, QPoint(place, at.y()) if across else QPoint(at.x(), place))
    yield partial(QTest.mouseRelease, slider, _LEFT, Qt.KeyboardModifier.NoModifier, at)


def _painted(view: LayerMap) -> Iterable[Action]:
    """One stroke over all blocks of each column."""
    for column in range(len(view.grid.columns)):
        cells = [(row, column) for row in range(0, len(view.grid.rows), 4)]
        at = view.place_of(cells[0])
        yield partial(QTest.mousePress, view.viewport(), _LEFT, Qt.KeyboardModifier.NoModifier, at)
        for cell in cells:
            yield partial(QTest.mouseMove, view.viewport(), view.place_of(cell))
        yield partial(QTest.mouseRelease, view.viewport(), _LEFT, Qt.KeyboardModifier.NoModifier, at)


def _hovered(plot: Canvas) -> Iterable[Action]:
    inside = plot.viewport().rect()
    for place in np.linspace(0, inside.width(), _MOVES):
        yield partial(QTest.mouseMove, plot.viewport(), QPoint(round(place), inside.height() // 2))


def _typed(line: QLineEdit, text: str) -> Iterable[Action]:
    return [partial(QTest.keyClick, line, letter) for letter in text]


def _chosen(box: Any) -> list[int]:
    """Every choice of a box that can be made, and at last the one that was."""
    places = [at for at in range(box.count()) if box.itemData(at) is not None]
    return [*places, box.currentIndex()]


def _activate(box: Any, place: int) -> None:
    box.setCurrentIndex(place)
    box.activated.emit(place)


def _watch(window: Window, row: RunRow) -> None:
    window.context.feed.watch(row.id)
    window.go("run")


def _steps(page: RunPage) -> list[float]:
    row = page.feed.row
    last = row.config.train.steps - 1 if row is not None else 1
    return [float(step) for step in np.linspace(0, last, _MOVES).round()]
