"""The nine axes as a row of choices, with the known names as shortcuts, and what the combination is called.

What cannot be chosen beside the rest is greyed out and says why: the reason is worked out from what the members need
and provide, here as in `check`, and no table of allowed pairs exists.
"""

from __future__ import annotations

from typing import Any, cast

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QGridLayout, QWidget

from app.forms.member import MemberEdit, described
from app.widgets.buttons import Chip
from app.widgets.flow import Flow
from app.widgets.labels import label
from app.widgets.panel import Panel
from core.adapters.names import DEFAULTS, METHODS, Method
from core.component import Component
from core.config.combine import doubtful, facts, members, unmet
from core.config.run import AXES, RunConfig

_COLUMNS = 2


class MethodPanel(Panel):
    """Names above, axes below. It shows a configuration and asks for changes."""

    named = Signal(str)
    """A known name was picked: `adapter.method`."""
    member_chosen = Signal(str, object)
    """Axis and the member it shall have."""

    def __init__(self) -> None:
        super().__init__("Method")
        self.chips: dict[str, Chip] = {}
        self.axes: dict[str, MemberEdit] = {}
        self._captions: dict[str, Any] = {}
        chips = Flow()
        for method in METHODS:
            self.chips[method.name] = chip = _chip(method)
            chip.clicked.connect(lambda _, name=method.name: self.named.emit(name))
            chips.add(chip)
        self.add(chips)
        self.summary = label("", "label", wrap=True)
        self.add(self.summary)
        self.add(self._grid())

    def show_config(self, config: RunConfig) -> None:
        """Show the members that hold now, and the name of their combination."""
        name = config.method_label
        self.title.setText(f"Method: {name}")
        known = next((method for method in METHODS if method.label == name), None)
        self.summary.setText(f"{known.summary} arXiv:{known.paper}" if known else "A combination without a name.")
        for method_name, chip in self.chips.items():
            chip.setChecked(known is not None and known.name == method_name)
        chosen = members(config)
        for axis, editor in self.axes.items():
            member = chosen["model.storage" if axis == "storage" else f"adapter.{axis}"]
            editor.set_value(member)
            editor.setToolTip(described(type(member)))
            own = member.kind != DEFAULTS.get(axis, "dense")
            self._captions[axis].setProperty("type", "value" if own else "label")
            self._grey_out(axis, editor, config)

    def _grid(self) -> QWidget:
        holder = QWidget()
        grid = QGridLayout(holder)
        grid.setContentsMargins(0, 6, 0, 0)
        grid.setHorizontalSpacing(20)
        grid.setVerticalSpacing(4)
        for index, (name, axis) in enumerate(AXES.items()):
            row, column = divmod(index, _COLUMNS)
            editor = MemberEdit(axis)
            editor.setAccessibleName(axis.label)
            editor.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            editor.combo.setMinimumContentsLength(12)
            editor.edited.connect(lambda member, axis=name: self.member_chosen.emit(axis, member))
            caption = label(axis.label, "label")
            caption.setBuddy(editor)
            self.axes[name], self._captions[name] = editor, caption
            grid.addWidget(caption, row * 2, column)
            grid.addWidget(editor, row * 2 + 1, column, Qt.AlignmentFlag.AlignTop)
            grid.setColumnStretch(column, 1)
        return holder

    def _grey_out(self, axis: str, editor: MemberEdit, config: RunConfig) -> None:
        """Disable what cannot be chosen on this axis, with the reason as its tooltip."""
        path = "model.storage" if axis == "storage" else f"adapter.{axis}"
        chosen, given = members(config), facts(config)
        standing = {problem.text for problem in (*unmet(chosen, given), *doubtful(chosen, given))}
        rows = cast(QStandardItemModel, editor.combo.model())
        for index, member in enumerate(AXES[axis].members):
            tried: dict[str, Component] = {**chosen, path: member()}
            reasons = [problem.text for problem in unmet(tried, given) if problem.text not in standing]
            free = not reasons or member is type(chosen[path])
            item = rows.item(index)
            item.setEnabled(free)
            doubts = [problem.text for problem in doubtful(tried, given) if problem.text not in standing]
            item.setToolTip(_told(member, doubts) if free else f"<qt>{' '.join(reasons)}</qt>")


def _told(member: type[Component], doubts: list[str]) -> str:
    """A member's help, and what is to be said of it beside the others."""
    return described(member).replace("</qt>", "".join(f"<p>{doubt}</p>" for doubt in doubts) + "</qt>")


def _chip(method: Method) -> Chip:
    chip = Chip(method.label, name=f"{method.label}: {method.summary}")
    chip.setToolTip(f"<qt>{method.summary} arXiv:{method.paper}</qt>")
    return chip
