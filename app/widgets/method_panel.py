"""The nine axes as a row of choices, with the known names as shortcuts, and what the combination is called.

What cannot be chosen beside the rest is greyed out and says why: the reason is worked out from what the members need
and provide, here as in `check`, and no table of allowed pairs exists.
"""

from __future__ import annotations

from typing import Any, cast

from PySide6.QtCore import Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from app.forms.member import MemberEdit, described
from app.widgets.buttons import Chip
from app.widgets.columns import Columns
from app.widgets.flow import Flow
from app.widgets.labels import label, set_property
from app.widgets.panel import Panel
from app.wording import labelled
from core.adapters.names import DEFAULTS, METHODS, Method, method
from core.component import Component
from core.config.combine import doubtful, facts, members, unmet
from core.config.pace import told
from core.config.run import AXES, RunConfig

_CHOICE = 300
"""Least width of an axis's combo box, in pixels."""


class MethodPanel(Panel):
    """Names above, axes below, then the options of their members. It shows a configuration and asks for changes."""

    named = Signal(str)
    """A known name was picked: `adapter.method`."""
    member_chosen = Signal(str, object)
    """Axis and the member it shall have."""

    def __init__(self) -> None:
        super().__init__("Method")
        self.body.setSpacing(14)
        self.chips: dict[str, Chip] = {}
        self.axes: dict[str, MemberEdit] = {}
        self._captions: dict[str, Any] = {}
        self._options: dict[str, QWidget] = {}
        chips = Flow()
        for one in METHODS:
            self.chips[one.name] = chip = _chip(one)
            chip.clicked.connect(lambda _, name=one.name: self.named.emit(name))
            chips.add(chip)
        self.add(chips)
        self.summary = label("", "label", wrap=True)
        self.add(self.summary)
        self.add(self._choices())
        self._forms = QVBoxLayout()
        self._forms.setSpacing(12)
        self.add(self._forms)
        for axis, editor in self.axes.items():
            editor.form_changed.connect(lambda axis=axis: self._place_options(axis))
            self._place_options(axis)

    def show_config(self, config: RunConfig) -> None:
        """Show the members that hold now, and the name of their combination."""
        name = config.method_label
        self.title.setText(f"Method: {name}")
        known = next((method for method in METHODS if method.label == name), None)
        summary = known.summary if known else "A combination without a name."
        paper = f"arXiv:{known.paper}" if known and known.paper else ""
        self.summary.setText(" ".join(filter(None, (summary, told(config), paper))))
        self.light(config)
        chosen = members(config)
        for axis, editor in self.axes.items():
            member = chosen["model.storage" if axis == "storage" else f"adapter.{axis}"]
            editor.set_value(member)
            editor.setToolTip(described(type(member)))
            own = member.kind != DEFAULTS.get(axis, "dense")
            set_property(self._captions[axis], "type", "value" if own else "label")
            self._grey_out(axis, editor, config)

    def light(self, config: RunConfig) -> None:
        """Light the chip of the present name alone, whatever was clicked."""
        for name, chip in self.chips.items():
            chip.setChecked(method(name).label == config.method_label)

    def _choices(self) -> QWidget:
        """One combo box for each axis, side by side."""
        columns = Columns(least=_CHOICE, counts=(1, 2, 3, 5, 9), gaps=(20, 10))
        for name, axis in AXES.items():
            editor = MemberEdit(axis, apart=True)
            editor.setAccessibleName(axis.label)
            editor.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            editor.combo.setMinimumContentsLength(10)
            editor.edited.connect(lambda member, axis=name: self.member_chosen.emit(axis, member))
            caption = label(axis.label, "label")
            caption.setBuddy(editor)
            self.axes[name], self._captions[name] = editor, caption
            columns.add(_stacked(caption, editor))
        return columns

    def _place_options(self, axis: str) -> None:
        """Put the options of an axis's member below the choices, under the axis's name, in the order of the axes."""
        if axis in self._options:
            gone = self._options.pop(axis)
            gone.hide()
            self._forms.removeWidget(gone)
            gone.deleteLater()
        form = self.axes[axis].form
        shown = [name for name in self.axes if name in self._options or (name == axis and form is not None)]
        if form is not None:
            self._options[axis] = _stacked(label(AXES[axis].label, "value"), form)
            self._forms.insertWidget(shown.index(axis), self._options[axis])
        last: QWidget = list(self.axes.values())[-1].combo
        for name in shown:
            found = self.axes[name].form
            for stop in found.stops if found is not None else ():
                QWidget.setTabOrder(last, stop)
                last = stop

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
            item.setToolTip(labelled(_told(member, doubts) if free else f"<qt>{' '.join(reasons)}</qt>"))


def _stacked(*widgets: QWidget) -> QWidget:
    """Widgets below one another, at the top of their room."""
    holder = QWidget()
    rows = QVBoxLayout(holder)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setSpacing(5)
    for widget in widgets:
        rows.addWidget(widget)
    return holder


def _told(member: type[Component], doubts: list[str]) -> str:
    """A member's help, and what is to be said of it beside the others."""
    return described(member).replace("</qt>", "".join(f"<p>{doubt}</p>" for doubt in doubts) + "</qt>")


def _chip(method: Method) -> Chip:
    chip = Chip(method.label, name=f"{method.label}: {method.summary}")
    chip.setToolTip(f"<qt>{method.summary} arXiv:{method.paper}</qt>")
    return chip
