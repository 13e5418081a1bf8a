"""Which column of the data is which of a shape, and who speaks: where the guess is wrong, or there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from app.forms.choice import Choice, ChoiceEdit
from app.models.mapping import needed, speaker_of
from app.style.theme import Theme
from app.widgets.buttons import plain, primary
from app.widgets.labels import ElidedLabel, label
from core.config.run import DataConfig
from core.data.example import CHAT_ROLES
from core.data.formats import FORMATS
from core.data.formats.turns import ROLES

_AS_IS = ""


class MappingDialog(QDialog):
    """A shape at the top, its columns below with a sample of each, and the speakers where there are messages.

    Args:
        columns: of the data (`core.data.columns`).
        data: the present mapping, and the shape it was made for.
        kind: the shape that rows were read in so far, or the likely one.
    """

    def __init__(self, columns: Sequence[Mapping[str, Any]], data: DataConfig, kind: str, parent: QWidget) -> None:
        super().__init__(parent)
        theme = Theme.current()
        self._columns = {column["name"]: column for column in columns}
        self._given, self._given_roles = dict(data.columns), dict(data.roles)
        self.setWindowTitle("Columns and roles")
        self.resize(theme.px(720), theme.px(520))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 20, 24, 20)
        outer.setSpacing(12)
        outer.addWidget(label("Which column is which?", "heading"))
        outer.addWidget(label(f"The data has: {', '.join(self._columns) or 'no column'}.", "label", wrap=True))
        kinds = [Choice(member.kind, member.label, member.looks) for member in FORMATS.members if needed(member.kind)]
        self.shape = ChoiceEdit(kinds)
        self.shape.setAccessibleName("Shape")
        known = data.format if data.format != "auto" else kind
        self.shape.set_value(known if known in [choice.value for choice in kinds] else kinds[0].value)
        self.shape.edited.connect(lambda _: self._fill())
        top = QHBoxLayout()
        top.addWidget(label("Shape", "label"))
        top.addStretch(1)
        top.addWidget(self.shape)
        outer.addLayout(top)
        self.columns: dict[str, ChoiceEdit] = {}
        self.roles: dict[str, ChoiceEdit] = {}
        self._samples: dict[str, ElidedLabel] = {}
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outer.addWidget(self._area, 1)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(plain("Cancel", self.reject))
        take = primary("Read it like this", self.accept)
        take.setDefault(True)
        buttons.addWidget(take)
        outer.addLayout(buttons)
        self._fill()

    def values(self) -> dict[str, Any]:
        """What the configuration becomes: dotted path to value."""
        columns = {ours: box.value() for ours, box in self.columns.items() if box.value() != _AS_IS}
        renamed = {ours: theirs for ours, theirs in columns.items() if theirs != ours.rpartition(".")[2]}
        roles = {theirs: box.value() for theirs, box in self.roles.items() if box.value() != _AS_IS}
        return {"data.format": self.shape.value(), "data.columns": renamed, "data.roles": roles}

    def _fill(self) -> None:
        """Rows for the columns of the shape."""
        inner = QWidget()
        grid = QGridLayout(inner)
        grid.setContentsMargins(0, 4, 8, 4)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(2, 1)
        self.columns, self._samples = {}, {}
        for ours in needed(self.shape.value()):
            self._add_column(grid, ours)
        self._roles_inner = QWidget()
        column = QVBoxLayout(self._roles_inner)
        column.setContentsMargins(0, 8, 0, 0)
        grid.addWidget(self._roles_inner, grid.rowCount(), 0, 1, 3)
        grid.setRowStretch(grid.rowCount(), 1)
        self._area.setWidget(inner)
        self._fill_roles()

    def _add_column(self, grid: QGridLayout, ours: str) -> None:
        """One column of the shape: its name, what it is called in the data, and a sample."""
        parent, dot, name = ours.rpartition(".")
        box = ChoiceEdit(self._offers(parent, name))
        box.setAccessibleName(f"Column for {ours}")
        given = self._given.get(ours) or self._likely(ours)
        box.set_value(given if given in [choice.value for choice in self._offers(parent, name)] else _AS_IS)
        box.edited.connect(lambda _: self._picked(ours))
        row = grid.rowCount()
        name_label = label(f"    {name}" if dot else name, "mono")
        name_label.setBuddy(box)
        sample = ElidedLabel("", "hint")
        grid.addWidget(name_label, row, 0)
        grid.addWidget(box, row, 1)
        grid.addWidget(sample, row, 2)
        self.columns[ours], self._samples[ours] = box, sample
        self._show_sample(ours)

    def _likely(self, ours: str) -> str:
        """What the data may call a column of the shape that it does not have by this name."""
        there = {name.lower().strip(): name for name in self._columns if name not in needed(self.shape.value())}
        words = FORMATS[self.shape.value()].synonyms.get(ours, ()) if ours not in self._columns else ()
        return next((there[word] for word in words if word in there), _AS_IS)

    def _offers(self, parent: str, name: str) -> list[Choice]:
        """The columns that may be chosen; those of messages are the keys of their list."""
        names = self._columns if not parent else self._columns.get(self._column_of(parent), {}).get("keys", ())
        as_is = name if name in names else "not there"
        return [Choice(_AS_IS, as_is), *(Choice(each, each) for each in names if each != name)]

    def _column_of(self, ours: str) -> str:
        """The data's name for a column of the shape."""
        box = self.columns.get(ours)
        chosen = box.value() if box is not None else self._given.get(ours, _AS_IS)
        return str(chosen or ours)

    def _picked(self, ours: str) -> None:
        self._show_sample(ours)
        for other, box in self.columns.items():
            parent, dot, name = other.rpartition(".")
            if dot and parent == ours:
                box.set_choices(self._offers(parent, name)) if box.value() == _AS_IS else None
                self._show_sample(other)
        if "." in ours or any(other.startswith(f"{ours}.") for other in self.columns):
            self._fill_roles()

    def _show_sample(self, ours: str) -> None:
        parent, dot, name = ours.rpartition(".")
        column = self._columns.get(self._column_of(parent if dot else ours), {})
        sample = column.get("samples", {}).get(self.columns[ours].value() or name, "") if dot else column.get("sample")
        self._samples[ours].setText(" ".join(str(sample or "").split()))

    def _fill_roles(self) -> None:
        """Rows for the speakers that occur."""
        column = self._roles_inner.layout()
        assert isinstance(column, QVBoxLayout)
        while item := column.takeAt(0):
            if widget := item.widget():
                widget.hide()
                widget.deleteLater()
        self.roles = {}
        found = self._speakers()
        if not found:
            return
        column.addWidget(label("Who speaks", "heading"))
        for said in found:
            box = ChoiceEdit([Choice(_AS_IS, _known_as(said)), *(Choice(role, role) for role in CHAT_ROLES)])
            box.setAccessibleName(f"Role of {said}")
            box.set_value(self._given_roles.get(said, _AS_IS))
            row = QWidget()
            line = QHBoxLayout(row)
            line.setContentsMargins(0, 0, 0, 0)
            line.addWidget(label(said, "mono"))
            line.addStretch(1)
            line.addWidget(box)
            column.addWidget(row)
            self.roles[said] = box

    def _speakers(self) -> list[str]:
        """The values of the column that names the speaker."""
        ours = speaker_of(self.shape.value())
        if not ours:
            return []
        parent = ours.rpartition(".")[0]
        key = self.columns[ours].value() or ours.rpartition(".")[2]
        speakers = self._columns.get(self._column_of(parent), {}).get("speakers", {})
        return list(speakers.get(key, ()))


def _known_as(said: str) -> str:
    """What a speaker is taken for where nothing is chosen."""
    role = ROLES.get(said.strip().lower())
    return f"as it is ({role})" if role else "unknown: choose"
