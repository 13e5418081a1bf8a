"""One layer's scores: what each says of it, and its place among all."""

from __future__ import annotations

from collections.abc import Mapping

from app.models.importance import Importance
from app.models.numbers import written
from app.widgets.cell_panel import name_of
from app.widgets.labels import label, set_property
from app.widgets.panel import Panel
from app.widgets.stat_row import StatRow
from app.words import number
from core.layers import LayerInfo

_NONE = "Click a layer on the map, or go to its row, to see all of its scores."


class ScorePanel(Panel):
    """What is known of the layer that was clicked."""

    def __init__(self) -> None:
        super().__init__("One layer")
        self.shape = label(_NONE, "hint", wrap=True)
        self.add(self.shape)
        self.rows: dict[str, StatRow] = {}
        self._measured: Importance | None = None
        self._places: Mapping[str, Mapping[str, int]] = {}

    def show_measured(self, measured: Importance) -> None:
        """Take another measurement; no layer is shown then."""
        for row in self.rows.values():
            self.body.removeWidget(row)
            row.deleteLater()
        self._measured = measured
        self._places = {scored.kind: scored.places() for scored in measured.scores}
        self.rows = {scored.kind: StatRow(scored.label) for scored in measured.scores}
        for scored in measured.scores:
            self.rows[scored.kind].setToolTip(scored.tells)
            self.add(self.rows[scored.kind])
        self.show_layer(None)

    def show_layer(self, layer: LayerInfo | None) -> None:
        """Show one layer; None for none."""
        for row in self.rows.values():
            row.setVisible(layer is not None)
        set_property(self.title, "type", "heading" if layer is None else "code")
        if layer is None or self._measured is None:
            self.set_title("One layer")
            self.shape.setText(_NONE)
            return
        self.set_title(name_of(layer))
        self.shape.setText(f"{number(layer.out_features)} × {number(layer.in_features)}")
        of = number(len(self._measured.layers))
        for scored in self._measured.scores:
            place = number(self._places[scored.kind][layer.name])
            self.rows[scored.kind].set(f"{written(scored.values[layer.name])}   {place} of {of}")
