"""Every figure that can be drawn, from numbers that go wrong first: each says in words what it shows, and is drawn."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from core.figures import run, svg
from core.figures.figure import Table, Words
from core.figures.smooth import Smoothed
from tests.gallery import WORLDS, World, figures, live_figures


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
        assert figure.csv().count("\n") >= 1
        if not isinstance(figure, Table | Words):
            paper = svg.draw(figure)
            ElementTree.fromstring(paper)
            assert "nan" not in re.sub('href="[^"]*"', "", paper.split(">", 1)[1]), figure.title
