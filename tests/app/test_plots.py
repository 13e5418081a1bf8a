"""Plots: one marker for all, zoom, and pictures and tables out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QStyleOptionComboBox, QWidget

from app.plots.bars import BarsPlot
from app.plots.canvas import Canvas
from app.plots.heatmap import HeatmapPlot
from app.plots.lines import LinesPlot
from app.plots.panels import move_together
from app.plots.saving import save
from app.plots.scatter import ScatterPlot
from app.widgets.choice_box import ChoiceBox
from core.errors import UserError
from core.figures.figure import Axis, Bars, Figure, Heatmap, Lines, Scatter, Series

STEP = Axis("Step")


def lines(count: int = 100) -> Lines:
    x = np.arange(count, dtype=np.float64)
    held_out = Series("held out", x[::20], 4 - x[::20] / 200, "points", "amber")
    return Lines("Loss", STEP, Axis("Loss", "nats per token"), (Series("train", x, 4 - x / 100, "thin"), held_out))


def heatmap(count: int = 100) -> Heatmap:
    values = np.arange(count, dtype=np.float32)[:, None] * np.array([1, 2, 3], np.float32)
    names = ("0.q_proj", "0.k_proj", "1.q_proj")
    return Heatmap(
        "Norm", STEP, Axis("Block"), Axis("Norm of dW"), names, np.arange(count), values, ((0, "0"), (2, "1"))
    )


@pytest.fixture
def shown(qapp: QApplication) -> Iterator[list[QWidget]]:
    widgets: list[QWidget] = []
    yield widgets
    for widget in widgets:
        widget.close()
        widget.deleteLater()
    qapp.processEvents()


def put(widgets: list[QWidget], plot: QWidget) -> QWidget:
    widgets.append(plot)
    plot.resize(500, 260)
    plot.show()
    QApplication.processEvents()
    return plot


def test_marker_and_zoom_of_one_plot_move_those_of_the_others(shown: list[QWidget]) -> None:
    loss, norms = LinesPlot("Loss"), HeatmapPlot("Norm")
    for plot, figure in ((loss, lines()), (norms, heatmap())):
        put(shown, plot)
        plot.show_figure(figure)
    told: list[float | None] = []
    move_together([loss, norms], told.append)
    QTest.keyClick(loss, Qt.Key.Key_Left)
    QTest.keyClick(loss, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert (told[-1], norms.mark, norms.mark_line.isVisible()) == (89.0, 89.0, True)
    norms.view.wished.emit((20.0, 40.0))
    assert loss.view.viewRange()[0] == pytest.approx([20, 40])
    QTest.keyClick(loss, Qt.Key.Key_Home)
    assert norms.view.viewRange()[0] == pytest.approx([0, 99])
    QTest.keyClick(norms, Qt.Key.Key_Escape)
    assert told[-1] is None and not loss.mark_line.isVisible()


def test_zooming_fits_the_other_axis_to_what_is_shown_and_never_leaves_the_data(shown: list[QWidget]) -> None:
    plot = LinesPlot("Loss")
    put(shown, plot)
    plot.show_figure(lines())
    plot.view.wished.emit((-500.0, 10.0))
    low, high = plot.view.viewRange()[1]
    assert plot.view.viewRange()[0] == pytest.approx([0, 10])
    assert low > 3.8 and high > 4.0


def test_the_legend_reads_the_values_at_the_marker_and_hides_curves(shown: list[QWidget]) -> None:
    plot = LinesPlot("Loss")
    put(shown, plot)
    plot.show_figure(lines())
    plot.set_mark(50)
    assert plot.legend._entries["train"].text().endswith("3.5")
    plot.legend._entries["train"].click()
    assert not plot._curves["train"].isVisible()
    plot.show_figure(lines(120))
    assert not plot._curves["train"].isVisible()


def test_a_log_scale_shows_losses_by_powers_and_leaves_out_what_has_none(shown: list[QWidget]) -> None:
    plot = LinesPlot("Loss")
    put(shown, plot)
    x = np.arange(4.0)
    plot.show_figure(Lines("Loss", STEP, Axis("Loss"), (Series("train", x, np.array([100.0, 10.0, 0.0, 1.0])),)))
    plot.set_log(True)
    low, high = plot.view.viewRange()[1]
    assert low == pytest.approx(-0.12) and high == pytest.approx(2.12)


def test_a_long_curve_is_thinned_to_the_screen_and_keeps_its_peaks(shown: list[QWidget]) -> None:
    plot = LinesPlot("Loss")
    put(shown, plot)
    y = np.ones(200_000)
    y[123_456] = 9.0
    plot.show_figure(Lines("Loss", STEP, Axis("Loss"), (Series("train", np.arange(200_000.0), y),)))
    painted = plot._curves["train"].getData()[1]
    assert len(painted) < 4 * plot.width() and painted.max() == 9.0


def test_the_heat_map_says_which_layer_is_under_the_pointer(shown: list[QWidget]) -> None:
    from PySide6.QtCore import QPointF

    plot = HeatmapPlot("Norm")
    put(shown, plot)
    plot.show_figure(heatmap())
    assert plot._under(QPointF(10.2, 1.5)) == ("0.k_proj", 10, 20.0)
    assert plot._under(QPointF(10.2, 3.5)) is None


def test_the_heat_map_keeps_its_scale_as_it_grows_and_colours_no_more_than_the_screen_has(shown: list[QWidget]) -> None:
    plot = HeatmapPlot("Norm")
    put(shown, plot)
    for count in (2, 50, 5000):
        plot.show_figure(heatmap(count))
        assert plot._high == 3.0 * (count - 1)
    assert plot._image.image.shape[1] <= plot.width()
    plot.show_figure(heatmap(10))
    assert plot._high == 27.0


def test_plots_of_nothing_paint_nothing_and_say_so(shown: list[QWidget]) -> None:
    empty = np.empty((0, 0), np.float32)
    for plot, figure in (
        (LinesPlot("Loss"), Lines("Loss", STEP, Axis("Loss"))),
        (HeatmapPlot("Norm"), Heatmap("Norm", STEP, Axis("Block"), Axis("norm"), (), np.empty(0, int), empty)),
        (BarsPlot("Bars"), Bars("Most changed layers", Axis("dW / W", "%"), (), np.empty(0))),
        (ScatterPlot("Scatter"), Scatter("DoRA", STEP, STEP, (), np.empty(0), np.empty(0))),
    ):
        put(shown, plot)
        plot.show_figure(figure)
        plot.grab()
        assert "nothing measured yet" in plot.accessibleDescription()


@pytest.mark.parametrize(
    ("kind", "figure"),
    [
        (LinesPlot, lines()),
        (HeatmapPlot, heatmap()),
        (BarsPlot, Bars("Most changed layers", Axis("dW / W", "%"), ("19.q_proj", "3.v_proj"), np.array([6.2, 1.1]))),
        (
            ScatterPlot,
            Scatter("DoRA", STEP, STEP, ("a", "b"), np.array([1.0, 2.0]), np.array([2.0, 1.0]), trend=(3, -1)),
        ),
    ],
)
def test_every_plot_is_saved_as_png_svg_and_csv(
    kind: type[Canvas], figure: Figure, shown: list[QWidget], folder: Path
) -> None:
    plot = kind(figure.title)
    put(shown, plot)
    plot.show_figure(figure)  # type: ignore[arg-type]
    for ending in ("png", "svg", "csv"):
        save(plot, figure, folder / f"plot.{ending}")
    image = QImage(str(folder / "plot.png"))
    assert image.width() > 2 * plot.width() - 10
    colors = {image.pixelColor(x, y).name() for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
    assert len(colors) > 5
    assert ElementTree.parse(folder / "plot.svg").getroot().tag.endswith("svg")
    with (folder / "plot.csv").open(encoding="utf-8") as table:
        assert len(list(csv.reader(table))) > 2
    assert sorted(path.name for path in folder.iterdir()) == ["plot.csv", "plot.png", "plot.svg"]


@pytest.mark.parametrize("ending", ["png", "svg", "csv"])
def test_a_picture_that_cannot_be_written_is_said_in_words(ending: str, shown: list[QWidget], folder: Path) -> None:
    plot = LinesPlot("Loss")
    put(shown, plot)
    plot.show_figure(lines())
    (folder / "file").write_text("in the way")
    with pytest.raises(UserError, match="could not be written"):
        save(plot, lines(), folder / "file" / f"plot.{ending}")
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_small_values_keep_their_unit_after_another_theme_was_chosen(shown: list[QWidget]) -> None:
    x = np.arange(1.0, 9.0)
    plot = LinesPlot("phi")
    plot.show_figure(Lines("phi", Axis("i"), Axis("phi"), (Series("phi", x, x / 100),)))
    put(shown, plot)
    plot.restyle()
    axis = plot.getAxis("left")
    assert axis.autoSIPrefixScale == 1.0
    assert float(axis.tickStrings([0.05], axis.autoSIPrefixScale * axis.scale, 0.01)[0]) == 0.05


@pytest.mark.parametrize("plot", [LinesPlot, HeatmapPlot])
def test_a_plot_of_nothing_hides_its_axes_and_says_so(qapp: QApplication, plot: type[Canvas]) -> None:
    full, bare = (lines(), lines(0)) if plot is LinesPlot else (heatmap(), heatmap(0))
    shown = plot("Plot")
    shown.resize(400, 200)
    shown.show_figure(bare)
    assert not shown.getAxis("left").isVisible()
    empty = shown.grab().toImage()
    assert len({empty.pixel(x, y) for x in range(120, 280) for y in range(85, 115)}) > 1
    shown.show_figure(full)
    assert shown.getAxis("left").isVisible()
    shown.deleteLater()


def test_a_choice_that_is_too_long_for_its_box_ends_in_an_ellipsis(shown: list[QWidget]) -> None:
    box = ChoiceBox()
    box.addItems(["short", "a name that is much longer than there is room for"])
    box.resize(140, 30)
    put(shown, box)
    box.resize(140, 30)
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    assert box._cut(option) == "short"
    box.setCurrentIndex(1)
    box.initStyleOption(option)
    assert box._cut(option).endswith("…") and box._cut(option).startswith("a n")


def test_a_single_measurement_has_a_dot(shown: list[QWidget]) -> None:
    plot = LinesPlot("Loss")
    put(shown, plot)
    plot.show_figure(lines(1))
    assert plot._curves["train"].opts["symbol"] == "o"
    plot.show_figure(lines(3))
    assert plot._curves["train"].opts["symbol"] is None


def test_a_low_plot_leaves_out_that_steps_are_steps_and_nothing_else(shown: list[QWidget]) -> None:
    plots = LinesPlot("Loss"), ScatterPlot("Points")
    plots[0].show_figure(lines())
    two = np.array([1.0, 2.0])
    plots[1].show_figure(Scatter("DoRA", Axis("Change of direction"), Axis("Change of length"), ("a", "b"), two, two))
    for plot in plots:
        put(shown, plot).resize(500, 160)
    QApplication.processEvents()
    assert [plot.getAxis("bottom").label.isVisible() for plot in plots] == [False, True]
