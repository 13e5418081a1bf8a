"""How much is chosen and how large that makes the adapter, with the rank and alpha for all."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.forms.field import field_of
from app.forms.number import NumberEdit
from app.widgets.labels import label
from app.widgets.panel import Panel
from app.widgets.stat_row import StatRow
from app.words import number, share, size
from core.config.run import AdapterConfig


class SelectionPanel(Panel):
    """Counts, and the two numbers that every chosen layer takes unless it has its own."""

    rank_edited = Signal(int)
    alpha_edited = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Selection", parent=parent)
        self.matrices = StatRow("Matrices")
        self.parameters = StatRow("Trainable parameters")
        self.file = StatRow("Adapter file")
        self.rank = NumberEdit(field_of(AdapterConfig, "rank"), width=64)
        self.alpha = NumberEdit(field_of(AdapterConfig, "alpha"), width=64)
        self.problem = label("", "hint", tone="red", wrap=True)
        self.problem.hide()
        for row in (self.matrices, self.parameters, self.file):
            self.add(row)
        sizes = QHBoxLayout()
        sizes.setSpacing(8)
        sizes.addWidget(label("Rank, alpha for all", "label"), 1)
        for editor, name, signal in (
            (self.rank, "rank", self.rank_edited), (self.alpha, "alpha", self.alpha_edited),
        ):  # fmt: skip
            editor.setAccessibleName(f"{name.capitalize()} for all layers")
            editor.setToolTip(field_of(AdapterConfig, name).help)
            editor.edited.connect(signal.emit)
            editor.refused.connect(self._say)
            sizes.addWidget(editor)
        self.add(sizes)
        self.add(self.problem)
        self.body.addStretch(1)

    def _say(self, problem: str) -> None:
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))

    def show_counts(self, chosen: int, layers: int, trained: int, parameters: int, file: int) -> None:
        """Show how many of `layers` are chosen, the numbers trained beside the model's, and the adapter's bytes."""
        self.matrices.set(f"{number(chosen)} of {number(layers)}")
        self.parameters.set(f"{number(trained)}   {share(trained, parameters)}")
        self.file.set(size(file))

    def show_sizes(self, rank: int, alpha: float, *, own_ranks: bool, own_alphas: bool) -> None:
        """Show rank and alpha for all; "mixed" where some layers have their own."""
        for editor, value, own in ((self.rank, rank, own_ranks), (self.alpha, alpha, own_alphas)):
            if own and not editor.hasFocus():
                editor.set_value(value)
                editor.set_mixed()
            elif not own:
                editor.set_value(value)
