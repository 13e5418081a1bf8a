"""From scores to the next run: how much to keep, and what that is, while one moves the slider."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QSlider

from app.forms.field import Field
from app.forms.number import NumberEdit
from app.models.importance import Ground, Scored, Way
from app.widgets.buttons import Chip, plain, primary
from app.widgets.labels import label
from app.widgets.panel import Panel
from app.widgets.stat_row import StatRow
from app.words import number, share
from core.errors import UserError
from core.insight.allocation import Proposal

_WAYS: Mapping[Way, tuple[str, str, str]] = {
    "top": ("Top n", "Keep the n layers of highest score", "The highest scores stay; ranks are unchanged."),
    "share": (
        "Share", "Keep the layers that carry a share of all importance",
        "The fewest layers that carry this share of all importance stay; ranks are unchanged.",
    ),
    "budget": (
        "Budget", "Spend a number of parameters, rank by rank",
        "Ranks are dealt out one by one, in proportion to the score; a layer that gets none is left out.",
    ),
}  # fmt: skip
_NAMES: Mapping[Way, str] = {"top": "Layers to keep", "share": "Share of importance", "budget": "Parameters"}
_TICKS = 1000
"""Steps of the slider along shares and budgets."""


class ActPanel(Panel):
    """Chooses a proposal and shows what it would train."""

    proposed = Signal(object)
    """The `Proposal` that the settings mean now; None where they mean none."""
    taken = Signal()
    """The user wants the proposal for the configuration, to go on from there."""
    queued = Signal()
    """The user wants it trained as it is."""

    def __init__(self) -> None:
        super().__init__("Act on it")
        self.proposal: Proposal | None = None
        self._ground: Ground | None = None
        self._scored: Scored | None = None
        self._amounts: dict[Way, float] = {"top": 1, "share": 0.9, "budget": 1}
        self.ways: dict[Way, Chip] = {}
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.numbers: dict[Way, NumberEdit] = {}
        self.by_kind = QCheckBox("Each kind of layer by itself")
        self.matrices = StatRow("Matrices")
        self.parameters = StatRow("Trainable parameters")
        self.beside = StatRow("Beside what was measured")
        self.ranks = StatRow("Ranks")
        self.said = label("", "hint", wrap=True)
        self.problem = label("", "hint", tone="red", wrap=True)
        self.queue = primary(
            "Queue the next run", self.queued.emit, name="Train this as soon as nothing else is trained"
        )
        self.use = plain("Edit it first", self.taken.emit, name="Use this selection in the configuration")
        self._lay_out()
        self.slider.valueChanged.connect(self._slid)
        self.by_kind.toggled.connect(lambda _: self._kind_changed())

    @property
    def way(self) -> Way:
        """How the next run's layers are chosen."""
        return next(way for way, chip in self.ways.items() if chip.isChecked())

    @property
    def told(self) -> str:
        """The choice in a few plain characters, for the name of the next run: `top-12`, `share-90`, `budget-120000`."""
        each = "-each" if self.way == "top" and self.by_kind.isChecked() else ""
        return f"{self.way}-{self._written(self.way):.10g}{each}"

    @property
    def amount(self) -> float:
        """How many layers, which share, or how many parameters."""
        return self._amounts[self.way]

    def show_ground(self, ground: Ground) -> None:
        """Begin with another measurement: a third of its layers, or of its parameters."""
        self._ground = ground
        third = max(len(ground.plans) // 3, 1)
        self._amounts = {"top": third, "share": 0.9, "budget": max(ground.parameters // 3, ground.cheapest)}
        for way, editor in self.numbers.items():
            editor.set_value(self._written(way))
        with QSignalBlocker(self.by_kind):
            self.by_kind.setChecked(False)
        self._show_way()
        self._follow_score()

    def show_score(self, scored: Scored) -> None:
        """Go by another score; layers compete as far as it is known to find those that matter: all, or of a kind."""
        self._scored = scored
        self._propose()
        self._follow_score()

    def set_amount(self, amount: float) -> None:
        """Keep so many, such a share, or spend so much."""
        self._amounts[self.way] = amount
        self._show_amount()
        self._propose()

    # Making

    def _lay_out(self) -> None:
        chips, group = QHBoxLayout(), QButtonGroup(self)
        chips.setSpacing(6)
        for way, (text, name, _) in _WAYS.items():
            self.ways[way] = chip = Chip(text, name=name, checked=way == "top")
            group.addButton(chip)
            chip.clicked.connect(lambda: self._show_way())
            chips.addWidget(chip)
        chips.addStretch(1)
        self.add(chips)
        self.add(self.said)
        row = QHBoxLayout()
        row.setSpacing(12)
        self.slider.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        row.addWidget(self.slider, 1)
        for way, name in _NAMES.items():
            field = Field(way, int, name, default=1, low=1)
            if way == "share":
                field = Field(way, float, name, unit="%", default=1, low=0.1, high=100)
            self.numbers[way] = editor = NumberEdit(field, width=108 if way == "budget" else 72)
            editor.setAccessibleName(name)
            editor.edited.connect(self._typed)
            editor.refused.connect(self._say)
            row.addWidget(editor)
        self.add(row)
        self.by_kind.setToolTip(
            "Queries compete with queries only: scores of layers of other shapes are not compared. Chosen beforehand "
            "for scores that are known to find the layers that matter only among their kind."
        )
        self.add(self.by_kind)
        for stat in (self.matrices, self.parameters, self.beside, self.ranks):
            self.add(stat)
        self.add(self.problem)
        self.problem.hide()
        self.body.addSpacing(4)
        self.add(self.queue)
        self.add(self.use)

    # Choosing

    def _show_way(self) -> None:
        """The controls of the chosen way."""
        ground, way = self._ground, self.way
        if ground is None:
            return
        self.said.setText(_WAYS[way][2])
        for other, editor in self.numbers.items():
            editor.setVisible(other == way)
        self.by_kind.setVisible(way != "budget")
        self.slider.setAccessibleName(_NAMES[way])
        with QSignalBlocker(self.slider):
            self.slider.setRange(1, self._most if way == "top" else _TICKS)
            self.slider.setPageStep(max(self.slider.maximum() // 10, 1))
        self._show_amount()
        self._propose()

    def _follow_score(self) -> None:
        if self._scored is not None:
            self.by_kind.setChecked(self._scored.by_kind)

    def _kind_changed(self) -> None:
        """Of each kind there are fewer layers than of all together."""
        before = self._most_of(not self.by_kind.isChecked())
        if self._ground is not None and self.way == "top":
            self._amounts["top"] = max(round(self._amounts["top"] * self._most / before), 1)
        self._show_way()

    @property
    def _most(self) -> int:
        return self._most_of(self.by_kind.isChecked())

    def _most_of(self, by_kind: bool) -> int:
        if self._ground is None:
            return 1
        return self._ground.largest_kind if by_kind else len(self._ground.plans)

    def _slid(self, place: int) -> None:
        self._amounts[self.way] = self._at(place)
        self.numbers[self.way].set_value(self._written(self.way))
        self._propose()

    def _typed(self, value: float) -> None:
        self._amounts[self.way] = value / 100 if self.way == "share" else value
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._place())
        self._propose()

    def _show_amount(self) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._place())
        self.numbers[self.way].set_value(self._written(self.way))

    def _written(self, way: Way) -> float:
        amount = self._amounts[way]
        return round(100 * amount, 1) if way == "share" else round(amount)

    def _at(self, place: int) -> float:
        """What a place of the slider means: budgets grow in proportion, as people think of them."""
        if self.way == "top":
            return place
        if self.way == "share":
            return place / _TICKS
        low, high = self._budgets
        spent = low * (high / low) ** ((place - 1) / (_TICKS - 1))
        return max(round(spent, 1 - math.floor(math.log10(spent))), low)

    def _place(self) -> int:
        amount = self.amount
        if self.way == "top":
            return round(amount)
        if self.way == "share":
            return round(amount * _TICKS)
        low, high = self._budgets
        return 1 + round((_TICKS - 1) * math.log(min(max(amount, low), high) / low) / math.log(high / low))

    @property
    def _budgets(self) -> tuple[float, float]:
        """From one rank of the smallest layer to twice what was measured."""
        if self._ground is None:
            return 1.0, 2.0
        return float(max(self._ground.cheapest, 1)), float(max(2 * self._ground.parameters, 2))

    # Showing

    def _propose(self) -> None:
        ground, scored = self._ground, self._scored
        if ground is None or scored is None:
            return
        try:
            by_kind = self.by_kind.isChecked() and self.way != "budget"
            self.proposal = ground.propose(self.way, scored.values, self.amount, by_kind=by_kind)
        except UserError as error:
            self.proposal = None
            self._say(f"{error.text} {error.hint}".strip())
        else:
            self._say("")
        self._show_proposal(ground, self.proposal)
        for button in (self.queue, self.use):
            button.setEnabled(self.proposal is not None)
        self.proposed.emit(self.proposal)

    def _show_proposal(self, ground: Ground, proposal: Proposal | None) -> None:
        if proposal is None:
            for stat in (self.matrices, self.parameters, self.beside, self.ranks):
                stat.set("–")
            return
        ranks = {plan.rank for plan in proposal.plans}
        self.matrices.set(f"{number(len(proposal.plans))} of {number(len(ground.plans))}")
        self.parameters.set(number(proposal.parameters))
        self.beside.set(share(proposal.parameters, ground.parameters))
        self.ranks.set(str(min(ranks)) if len(ranks) == 1 else f"{min(ranks)} to {max(ranks)}")

    def _say(self, problem: str) -> None:
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
