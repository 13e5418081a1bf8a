"""Runs beside one another: their curves, what was set differently, which layers moved more, what each answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from app.plots.comparison import Comparison, names
from app.plots.figure_panel import FigurePanel
from app.plots.saving import save_button
from app.widgets import Chip, EmptyState, Panel, label
from app.widgets.choice_box import ChoiceBox
from app.widgets.flow import Flow
from app.widgets.words_table import WordsTable
from core.errors import UserError
from core.figures import compare
from core.figures.figure import Floats
from core.figures.run import NORMS

if TYPE_CHECKING:
    from app.context import Context
    from core.layers import LayerInfo
    from core.store.rows import RunRow

_VIEWS = {
    "curves": ("Curves", "Show their curves over one another"),
    "settings": ("What differs", "Show what was set differently"),
    "layers": ("Layers", "Show which layers each of two runs moved more"),
    "answers": ("Answers", "Show what each answers to the same prompts"),
}


class BesideView(QWidget):
    """Any number of runs, in four views."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._store = context.store
        self.runs: tuple[RunRow, ...] = ()
        self.curves = Comparison(context.store, context.settings, large=True)
        self.settings, self.answers = WordsTable("What differs"), WordsTable("Answers to the same prompts")
        self.first, self.second, self.norm = ChoiceBox(), ChoiceBox(), ChoiceBox()
        self.map: FigurePanel | None = None
        self.nothing, self.silent = EmptyState("", "table"), EmptyState("", "weave")
        self.views: dict[str, Chip] = {}
        self._lay_out()

    def show_runs(self, runs: Sequence[RunRow]) -> None:
        """Compare these runs, as they are in the store now."""
        self.runs = tuple(runs)
        self.curves.show_runs(runs)
        for place, box in enumerate((self.first, self.second)):
            box.blockSignals(True)
            box.clear()
            for row, name in zip(runs, names(runs), strict=True):
                box.addItem(name, row.id)
            box.setCurrentIndex(min(place, len(runs) - 1))
            box.blockSignals(False)
        self._show_view()

    @property
    def view(self) -> str:
        """The key of the view on show."""
        return next(key for key, chip in self.views.items() if chip.isChecked())

    # Making

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        chips, group = Flow(), QButtonGroup(self)
        for key, (text, name) in _VIEWS.items():
            self.views[key] = chip = Chip(text, name=name, checked=key == "curves")
            group.addButton(chip)
            chip.clicked.connect(self._show_view)
            chips.add(chip)
        column.addWidget(chips)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        for page in (self.curves, self._framed(self.settings), self._layers_page(), self._framed(self.answers)):
            self._stack.addWidget(page)
        self._stack.addWidget(self.nothing)
        column.addWidget(holder, 1)

    def _framed(self, table: WordsTable) -> QWidget:
        """A panel that ends with the table."""
        page, panel = QWidget(), Panel(table.accessibleName())
        panel.add_control(save_button(table, lambda: table.figure))
        panel.add(table, 1)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(panel)
        column.addStretch(1)
        return page

    def _layers_page(self) -> QWidget:
        page = QWidget()
        self._layers = QVBoxLayout(page)
        self._layers.setContentsMargins(0, 0, 0, 0)
        self._layers.setSpacing(12)
        row = QHBoxLayout()
        row.setSpacing(10)
        for key, axis in NORMS.items():
            self.norm.addItem(axis.label, key)
        self.norm.setCurrentIndex(max(self.norm.findData("relative_norm"), 0))
        named = (
            (self.norm, "Which number"),
            (self.second, "The run that is looked at"),
            (self.first, "The run it is held against"),
        )
        for box, name in named:
            box.setAccessibleName(name)
            box.setToolTip(name)
            if box is self.norm:
                box.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToContents)
            box.currentIndexChanged.connect(lambda _: self._show_view())
        row.addWidget(self.norm)
        row.addWidget(label("of", "label"))
        row.addWidget(self.second, 1)
        row.addWidget(label("less", "label"))
        row.addWidget(self.first, 1)
        self._layers.addLayout(row)
        self._layers.addWidget(self.silent, 1)
        return page

    # Showing

    def _show_view(self) -> None:
        if not self.runs:
            return
        match self.view:
            case "curves":
                self._stack.setCurrentIndex(0)
            case "settings":
                self._show_settings()
            case "layers":
                self._show_layers()
            case _:
                self._show_answers()

    def _show_settings(self) -> None:
        try:
            figure = compare.settings(names(self.runs), [row.config for row in self.runs])
        except UserError as error:
            self._say(error.text, error.hint)
            return
        self.settings.show_figure(figure)
        if figure.rows:
            self._stack.setCurrentIndex(1)
        else:
            self._say("Nothing differs.", "These runs were set alike, up to their names.")

    def _show_layers(self) -> None:
        key = str(self.norm.currentData())
        places = [self.first.currentIndex(), self.second.currentIndex()]
        pair = [self.runs[max(place, 0)] for place in places]
        found = [_last_norms(self._store.layers(row.id), self._store.newest_vector(row.id, key)) for row in pair]
        silent = next((row.name for row, one in zip(pair, found, strict=True) if one is None), None)
        self._stack.setCurrentIndex(2)
        self.silent.setVisible(silent is not None)
        if self.map is not None:
            self.map.setVisible(silent is None)
        if silent is not None:
            self.silent.set(f"{silent} has measured no layers.", "They are measured while a run trains.")
            return
        (one, first), (other, second) = cast("list[tuple[list[LayerInfo], Floats]]", found)
        called = names(self.runs)
        figure = compare.layer_difference(
            (called[places[0]], called[places[1]]), (one, other), (first, second), key
        )  # fmt: skip
        if self.map is None:
            self.map = FigurePanel(figure)
            self._layers.addWidget(self.map, 1)
            self.map.show()  # its page is in sight
        else:
            self.map.show_figure(figure)

    def _show_answers(self) -> None:
        samples = [
            {sample.prompt: (sample.step, sample.text) for sample in self._store.samples(row.id)} for row in self.runs
        ]
        figure = compare.answers(names(self.runs), samples)
        self.answers.show_figure(figure)
        if figure.rows:
            self._stack.setCurrentIndex(3)
        else:
            self._say("None of these runs answered a prompt.", "Prompts are set on the Method page.")

    def _say(self, text: str, hint: str) -> None:
        self.nothing.set(text, hint)
        self._stack.setCurrentIndex(4)


def _last_norms(layers: list[LayerInfo], newest: np.ndarray | None) -> tuple[list[LayerInfo], Floats] | None:
    """The newest numbers of a run by layer; None where it has measured nothing."""
    if newest is None or not layers:
        return None
    return layers, np.where(np.isfinite(newest), newest, 0.0).astype(np.float64)
