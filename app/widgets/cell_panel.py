"""The marked cells of the layer map: what they are, and their own rank and alpha."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.forms.field import field_of
from app.forms.number import NumberEdit
from app.forms.row import Row
from app.widgets.buttons import plain
from app.widgets.labels import label, set_property
from app.widgets.panel import Panel
from app.widgets.stat_row import StatRow
from app.words import number, plural
from core.config.run import AdapterConfig
from core.layers import LayerInfo, LayerPlan


class CellPanel(Panel):
    """One layer, or several at once."""

    rank_edited = Signal(int)
    alpha_edited = Signal(float)
    toggled = Signal(bool)
    """The marked layers are to be chosen, or no longer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("One layer", parent=parent)
        self._adds = True
        self.empty = label("Click a cell, or move with the arrow keys, to see and size one layer.", "hint", wrap=True)
        self.shape = StatRow("Shape")
        self.rank = NumberEdit(field_of(AdapterConfig, "rank"))
        self.alpha = NumberEdit(field_of(AdapterConfig, "alpha"))
        self.parameters = StatRow("Parameters")
        self.button = plain("Choose")
        self.button.clicked.connect(lambda: self.toggled.emit(self._adds))
        self.add(self.empty)
        self._rows: list[QWidget] = [self.shape]
        self.add(self.shape)
        for editor, name, signal in (
            (self.rank, "rank", self.rank_edited), (self.alpha, "alpha", self.alpha_edited),
        ):  # fmt: skip
            row = Row(field_of(AdapterConfig, name), editor)
            row.label.setText(name.capitalize())
            editor.setAccessibleName(f"{name.capitalize()} of the marked layers")
            editor.edited.connect(signal.emit)
            editor.refused.connect(lambda problem, row=row: row.say("editor", problem))
            self.add(row)
            self._rows.append(row)
        self._rows += [self.parameters, self.button]
        self.add(self.parameters)
        self.body.addStretch(1)
        self.add(self.button)
        self.show_layers((), frozenset(), 0)

    def show_layers(self, plans: Sequence[LayerPlan], chosen: frozenset[str], trained: int) -> None:
        """Show the marked layers as they are or would be adapted, which are chosen, and their numbers trained."""
        self.empty.setVisible(not plans)
        set_property(self.title, "type", "code" if plans else "heading")
        for row in self._rows:
            row.setVisible(bool(plans))
        if not plans:
            self.set_title("One layer")
            return
        self.set_title(_title(plans), "" if plans[0].name in chosen or len(plans) > 1 else "not chosen")
        shapes = {(plan.layer.out_features, plan.layer.in_features) for plan in plans}
        self.shape.set(" × ".join(str(side) for side in shapes.pop()) if len(shapes) == 1 else "several")
        for editor, values in ((self.rank, {p.rank for p in plans}), (self.alpha, {p.alpha for p in plans})):
            editor.set_value(next(iter(values)))
            if len(values) > 1:
                editor.set_mixed()
        self.parameters.set(number(trained))
        self._adds = not all(plan.name in chosen for plan in plans)
        self.button.setText("Choose" if self._adds else "Do not train")


def _title(plans: Sequence[LayerPlan]) -> str:
    layer = plans[0].layer
    if len(plans) > 1:
        suffixes, blocks = {plan.layer.suffix for plan in plans}, {plan.layer.block for plan in plans}
        if len(suffixes) == 1:
            return f"{layer.suffix}   {plural(len(plans), 'block')}"
        return f"block {layer.block}   {len(plans)} layers" if len(blocks) == 1 else plural(len(plans), "layer")
    return name_of(layer)


def name_of(layer: LayerInfo) -> str:
    """A layer as the panel about it is called."""
    return f"block {layer.block}   {layer.suffix}" if layer.block is not None else layer.suffix
