"""Chips for the usual choices of layers, and a filter that finds layers by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.forms.field import Field
from app.forms.number import NumberEdit
from app.forms.text import TextEdit
from app.widgets.buttons import Chip, ghost
from app.widgets.flow import Flow
from app.widgets.labels import label
from core.config.compact import last_blocks, matching, preset_names
from core.layers import LayerInfo, Role

_QUERY_AND_VALUE: frozenset[Role] = frozenset({"q", "v", "qkv"})
_LAST = 8


class Presets(Flow):
    """One click for a usual choice; the chip that says what is chosen now is lit."""

    picked = Signal(object, str)
    """frozenset of names to choose instead of what is, and what the undo menu calls it."""

    def __init__(self) -> None:
        super().__init__()
        self._layers: tuple[LayerInfo, ...] = ()
        self._chosen: frozenset[str] = frozenset()
        self._sets: Mapping[str, frozenset[str]] = {}
        self.chips: dict[str, Chip] = {}
        for key, text, name in (
            ("all", "All linear", "Choose every linear layer"),
            ("qv", "Attention q v", "Choose the query and value layers"),
            ("attention", "Attention", "Choose the attention layers"),
            ("mlp", "MLP", "Choose the MLP layers"),
            ("last", "Last", "Choose all layers of the last blocks"),
            ("none", "None", "Choose nothing"),
        ):
            chip = Chip(text, name=name)
            chip.clicked.connect(lambda _checked=False, key=key: self._pick(key))
            self.chips[key] = chip
            self.add(self._counted(chip) if key == "last" else chip)

    def _counted(self, chip: Chip) -> QWidget:
        """The chip, and beside it how many of the last blocks it means."""
        self.count = NumberEdit(Field("last", int, "Last blocks", default=_LAST, low=1), width=48)
        self.count.setAccessibleName("How many of the last blocks")
        self.count.set_value(_LAST)
        self.count.edited.connect(self._count_changed)
        both = QWidget()
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(chip)
        row.addWidget(self.count)
        return both

    def set_layers(self, layers: tuple[LayerInfo, ...]) -> None:
        """Offer what this model has."""
        self._layers = layers
        self._work_out()
        fused = any(layer.role == "qkv" for layer in layers)
        self.chips["qv"].setText("Attention qkv" if fused else "Attention q v")
        for key in ("qv", "attention", "mlp"):
            self.chips[key].setVisible(bool(self._sets[key]))
        self.set_chosen(self._chosen)

    def set_chosen(self, chosen: frozenset[str]) -> None:
        """Light the chip of what is chosen."""
        self._chosen = chosen
        lit = next((key for key, names in self._sets.items() if names == chosen), "") if self._layers else ""
        for key, chip in self.chips.items():
            chip.setChecked(key == lit)

    def _work_out(self) -> None:
        layers = self._layers
        self._sets = {
            "all": preset_names(layers, "all-linear"),
            "qv": frozenset(layer.name for layer in layers if layer.adaptable and layer.role in _QUERY_AND_VALUE),
            "attention": preset_names(layers, "attention"),
            "mlp": preset_names(layers, "mlp"),
            "last": last_blocks(layers, self.count.value()),
            "none": frozenset(),
        }

    def _pick(self, key: str) -> None:
        text = "Choose the last blocks" if key == "last" else self.chips[key].accessibleName()
        self.picked.emit(self._sets[key], text)
        self.set_chosen(self._chosen)

    def _count_changed(self) -> None:
        """Another number of last blocks; taken over at once where the last blocks are what is chosen."""
        lit = self.chips["last"].isChecked()
        self._work_out()
        if lit:
            self._pick("last")
        self.set_chosen(self._chosen)


class LayerFilter(QWidget):
    """A part of a name or a pattern; says how many layers it means and lets them be added or removed."""

    matched = Signal(object)
    """frozenset of names that match; None while the filter is empty."""
    applied = Signal(object, bool)
    """frozenset of names to choose (or no longer)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: Collection[LayerInfo] = ()
        self.line = TextEdit()
        self.line.setPlaceholderText("Find layers")
        self.line.setToolTip("A part of a name or a pattern: mlp, 12.*q_proj")
        self.line.setAccessibleName("Find layers by name or pattern")
        self.line.setClearButtonEnabled(True)
        self.line.setMinimumWidth(120)
        self.line.setMaximumWidth(240)
        self.line.textChanged.connect(self._look)
        self.line.returnPressed.connect(lambda: self._apply(True))
        self.count = label("", "hint")
        self.add = ghost("Add", lambda: self._apply(True), name="Choose the layers found as well")
        self.remove = ghost("Remove", lambda: self._apply(False), name="Do not train the layers found")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (self.line, self.count, self.add, self.remove):
            row.addWidget(widget)
        self._look("")

    def set_layers(self, layers: Collection[LayerInfo]) -> None:
        """Look among these."""
        self._layers = layers
        self._look(self.line.text())

    def _look(self, text: str) -> None:
        found = self._found()
        busy = bool(text.strip())
        self.count.setText("no match" if busy and not found else f"{len(found)} found" if busy else "")
        for widget in (self.count, self.add, self.remove):
            widget.setVisible(busy)
        self.add.setEnabled(bool(found))
        self.remove.setEnabled(bool(found))
        self.matched.emit(found if busy else None)

    def _found(self) -> frozenset[str]:
        text = self.line.text().strip()
        found = matching(self._layers, text)
        return found or matching(self._layers, f"*{text}") if "*" in text or "?" in text else found

    def _apply(self, choose: bool) -> None:
        if self._found():
            self.applied.emit(self._found(), choose)
