"""Every figure that can be drawn, from numbers that go wrong first: each says in words what it shows, and is drawn.

And every widget that shows one says so to a screen reader, tells how to read it, and hands it out as a table.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from app.plots.figure_panel import FigurePanel
from app.plots.own_figures import OwnFigures
from app.plots.panels import CurvePanel, LossPanel, NormsPanel
from core.figures import run, svg
from core.figures.figure import Table, Words
from core.figures.smooth import Smoothed
from core.home import Home
from tests.gallery import WORLDS, World, figures, live_figures, shown


@pytest.mark.parametrize("world", [world for world in WORLDS if world.blocks < 30], ids=lambda world: world.name)
def test_every_figure_says_in_words_what_it_shows_and_is_drawn_on_paper(world: World) -> None:
    trace: Any = world
    drawn = [
        run.loss(trace, Smoothed(0.9)), run.norms(trace, "relative_norm"), run.most_changed(trace),
        *(live.draw(trace) for live in live_figures()), *(figure for _, figure in figures(world)),
    ]  # fmt: skip
    for figure in drawn:
        said = figure.summary()
        assert said.startswith(figure.title) and said.endswith("."), said
        assert " nan" not in said and " inf" not in said, said
        assert figure.csv().count("\n") >= 1 and figure.help
        if not isinstance(figure, Table | Words):
            paper = svg.draw(figure)
            ElementTree.fromstring(paper)
            assert "nan" not in re.sub('href="[^"]*"', "", paper.split(">", 1)[1]), figure.title


def read_out(painter: QWidget, figure: Any, around: QWidget) -> None:
    """What paints says to a screen reader what it shows, and what is around it tells how to read it."""
    read = QAccessible.queryAccessibleInterface(painter)
    assert read.text(QAccessible.Text.Name) and read.text(QAccessible.Text.Description) == figure.summary()
    widgets = [around, *around.findChildren(QWidget)]
    told = [one.text() for one in widgets if isinstance(one, QLabel)] + [one.toolTip() for one in widgets]
    assert any(figure.help in text for text in told), figure.title


def test_every_figure_is_read_out_and_told_how_to_read(qapp: QApplication, home: Home) -> None:
    settings, world = QSettings(str(home.root / "window.ini"), QSettings.Format.IniFormat), World("few", 2, 40)
    trace: Any = world
    own, curves, norms, loss = OwnFigures(), CurvePanel(settings), NormsPanel(settings), LossPanel(settings)
    for live in live_figures():
        own.show_figure(live, trace, span=None, mark=None)
        read_out(own.plot, own.figure, own)
    for panel in (curves, norms):
        for place in range(panel.choice.count()):
            panel.choice.setCurrentIndex(place)
            panel.show_trace(trace, None)
            read_out(panel.plot, panel.plot.figure, panel)
    loss.show_trace(trace, None)
    read_out(loss.plot, loss.plot.figure, loss)
    for _, figure in figures(world):
        widget = shown(figure)
        painter = widget.view if isinstance(widget, FigurePanel) else widget.body.itemAt(0).widget()
        read_out(painter, figure, widget)
