"""What was measured: on the map, as a ranking of all scores side by side, and how far the scores agree."""

from __future__ import annotations

import math

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QVBoxLayout, QWidget

from app.models.importance import BLOCKS_HELP, PAIRS_HELP, Importance, Scored, shades
from app.models.numbers import Row, written
from app.plots.bars import BarsPlot
from app.plots.saving import Saved, save_button
from app.widgets.buttons import Chip
from app.widgets.choice_box import ChoiceBox
from app.widgets.correlation import CorrelationGrid
from app.widgets.flow import Flow
from app.widgets.labels import label
from app.widgets.layer_map import LayerMap
from app.widgets.map_legend import MapLegend
from app.widgets.numbers_table import NumbersTable
from app.widgets.panel import Panel
from app.widgets.scroll import scrolled
from app.widgets.stack import Stack
from app.words import share
from core.figures.run import short_name
from core.insight.allocation import Proposal
from core.layers import LayerInfo

_FIRST_SCORE = 2
"""The table's column of the first score, after the layer and its next rank."""
_BY_SCORE = 2
"""Views that are about the score on show: the map and the ranking; the others are about all of them."""
_HINT = "Colour is importance; outlines and numbers are the layers and ranks of the next run"
_SHORT = "Outlines and numbers: the next run"


class ImportanceView(Panel):
    """Map, ranking, agreement, and blocks where they were measured."""

    score_chosen = Signal(object)
    """The `Scored` that colours the map and orders the layers now."""
    layer_chosen = Signal(object)
    """The `LayerInfo` that was clicked; None where there is none, or more than one."""

    fills = Signal(bool)
    """Whether it makes use of all the height there is: lists do; the map of a small model and a few pairs do not."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Which layers matter")
        self._measured: Importance | None = None
        self._places: dict[str, int] = {}
        self.views = {
            key: Chip(text, name=name, checked=key == "map")
            for key, text, name in (
                ("map", "Map", "Show the scores on the map of layers"),
                ("ranking", "Ranking", "Show all scores side by side"),
                ("agreement", "Agreement", "Show how far the scores agree"),
                ("blocks", "Blocks", "Show what each block is worth"),
            )
        }
        self.score = ChoiceBox()
        self.score.setAccessibleName("Which score")
        self.score.setMinimumContentsLength(16)
        self.map = LayerMap()
        self.map.read_only = True
        self.map.describe = self._described
        self.legend = MapLegend(lambda: self.map.scale.left, hints=(_HINT, _SHORT))
        self.table = NumbersTable("Layers by importance")
        self.agreement = CorrelationGrid()
        self.blocks = BarsPlot("Loss without each block")
        self.tells = label("", "hint", wrap=True)
        self._lay_out()
        self.score.currentIndexChanged.connect(lambda _: self._score_changed())
        self.map.marked_changed.connect(self._marked)
        self.table.row_chosen.connect(self._row_chosen)

    @property
    def scored(self) -> Scored | None:
        """The score on show."""
        place = self.score.currentIndex()
        return self._measured.scores[place] if self._measured is not None and place >= 0 else None

    def show_measured(self, measured: Importance) -> None:
        """Show another measurement, by its first score."""
        self._measured = measured
        self.map.set_layers(measured.layers)
        self.score.blockSignals(True)
        self.score.clear()
        for scored in measured.scores:
            self.score.addItem(scored.label, scored.kind)
        self.score.setCurrentIndex(0)
        self.score.blockSignals(False)
        self._fill_table(measured)
        self.agreement.show_table([scored.label for scored in measured.scores], measured.agreement)
        if measured.blocks:
            self.blocks.show_figure(measured.block_bars())
            self.blocks.show_all()
        gone = {"agreement": len(measured.scores) < 2, "blocks": not measured.blocks}
        for key, hidden in gone.items():
            self.views[key].setVisible(not hidden)
        if any(self.views[key].isChecked() for key, hidden in gone.items() if hidden):
            self.views["map"].setChecked(True)
        self._show_view()
        self._score_changed()

    def show_proposal(self, proposal: Proposal | None) -> None:
        """Outline what the next run would train."""
        ranks = {plan.name: plan.rank for plan in proposal.plans} if proposal is not None else {}
        self.map.set_ranks(ranks)
        self.table.numbers.set_column(1, {name: float(rank) for name, rank in ranks.items()}, ranks)

    # Making

    def _lay_out(self) -> None:
        group, top = QButtonGroup(self), Flow()
        for chip in self.views.values():
            group.addButton(chip)
            chip.clicked.connect(self._show_view)
            top.add(chip)
        self.by = QWidget()
        by = QHBoxLayout(self.by)
        by.setContentsMargins(2, 0, 0, 0)
        by.setSpacing(6)
        by.addWidget(label("By", "label"))
        by.addWidget(self.score)
        self.save = save_button(self.blocks, self._saved)
        for control in (self.by, self.save):
            top.add(control)
        self.add(top)
        holder = QWidget()
        self._stack = Stack()
        holder.setLayout(self._stack)
        map_page = QWidget()
        rows = QVBoxLayout(map_page)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(8)
        rows.addWidget(self.map, 1)
        rows.addWidget(self.legend)
        pairs = QWidget()
        column = QVBoxLayout(pairs)
        column.setContentsMargins(0, 8, 0, 0)
        column.setSpacing(12)
        column.addWidget(self.agreement, 1)
        column.addWidget(label(PAIRS_HELP, "hint", wrap=True))
        for page in (map_page, self.table, pairs, self._block_page()):
            self._stack.addWidget(page)
        self.add(holder, 1)
        self.add(self.tells)

    def _block_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 8, 0, 0)
        column.setSpacing(12)
        column.addWidget(scrolled(self.blocks), 1)
        column.addWidget(label(BLOCKS_HELP, "hint", wrap=True))
        return page

    def _fill_table(self, measured: Importance) -> None:
        rows = [
            Row(layer.name, short_name(layer), (math.nan, *(scored.values[layer.name] for scored in measured.scores)))
            for layer in measured.layers
        ]
        heads = ["Layer", "Next rank", *(scored.label for scored in measured.scores)]
        told = [
            f"{scored.label}{f' ({scored.unit})' if scored.unit else ''}. {scored.tells}" for scored in measured.scores
        ]
        tips = ["In the model's order", "The rank in the next run", *told]
        self.table.show_rows(heads, rows, tips=tips, by=_FIRST_SCORE)

    # Showing

    def _show_view(self) -> None:
        shown = next(place for place, chip in enumerate(self.views.values()) if chip.isChecked())
        self._stack.setCurrentIndex(shown)
        self.fills.emit(self.views["ranking"].isChecked() or self.views["blocks"].isChecked())
        by_score = shown < _BY_SCORE
        for widget in (self.by, self.tells):
            widget.setVisible(by_score)

    def _saved(self) -> Saved | None:
        """What can be saved of the view on show."""
        if self.views["blocks"].isChecked() or self._measured is None:
            return self.blocks.figure
        return self._measured.agreement_table() if self.views["agreement"].isChecked() else self._measured.table()

    def _score_changed(self) -> None:
        """Colour by another score, and order by it."""
        scored = self.scored
        if scored is None:
            return
        self._places = scored.places()
        colours = shades(scored.shares)
        self.map.set_shares(colours.places)
        scale = "of the whole, log" if colours.logarithmic else "of the whole"
        self.legend.set(share(colours.bottom, 1) if colours.bottom else "0", share(colours.top, 1), scale)
        self.tells.setText(scored.tells)
        first = sorted(self._places, key=lambda name: self._places[name])[:3]
        told = ", ".join(f"{name} {written(scored.values[name])}" for name in first)
        self.setAccessibleDescription(f"{scored.label}, highest first: {told}. {scored.tells}")
        self.table.order_by(_FIRST_SCORE + self.score.currentIndex())
        self._marked()
        self.score_chosen.emit(scored)

    def _marked(self) -> None:
        """The layer that was clicked on the map, here and in the table."""
        marked = self.map.marked
        layer = marked[0] if len(marked) == 1 else None
        if layer is not None:
            self.table.go_to(layer.name)
        self.layer_chosen.emit(layer)

    def _row_chosen(self, name: str) -> None:
        cell = next(
            (
                cell
                for cell, found in self.map.grid.cells.items()
                for at in found
                if self.map.grid.layers[at].name == name
            ),
            None,
        )
        if cell is not None:
            self.map.current = cell
            self.map.mark([cell])

    def _described(self, layer: LayerInfo) -> str:
        """The tooltip of a layer: every score of it."""
        scores = self._measured.scores if self._measured is not None else ()
        lines = [f"{one.label}: {written(one.values[layer.name])} {one.unit}".rstrip() for one in scores]
        scored = self.scored
        where = f", place {self._places[layer.name]}" if scored is not None else ""
        return "\n".join([f"{layer.name}{where}", *lines])
