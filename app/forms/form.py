"""A form for any part of the configuration, made from its declaration.

Each option becomes a row: label, editor, unit, help, and under it what is wrong. Nothing about an option is written
here, so a newcomer's member appears with its options by itself. The value comes back equal: `form.value() == part`
after `form.set_value(part)`, whether or not every option has an editor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.document import Document
from app.forms.field import Field, fields_of
from app.forms.makers import Editor, Maker, make
from app.forms.row import Row
from app.style.theme import Theme
from app.widgets import Button, ghost
from app.widgets.columns import Columns
from core.component import Part
from core.config.edit import rebuilt, value_at
from core.errors import UserError

P = TypeVar("P", bound=Part)

_OPTION = 300
"""Least width of a row that stands beside others, in pixels."""


class Form(QWidget, Generic[P]):
    """Rows for the options of one part.

    Args:
        part: the part's class.
        only: the options to show, in this order; all of them by default.
        own: makers for options that this page edits in its own way.
        across: whether rows stand side by side where there is room, instead of below one another.
    """

    edited = Signal(str, object)
    """Name of the option and its new value."""
    refused = Signal(str, str)
    """Name of the option and why its text is no value; "" when it is one again."""

    def __init__(
        self,
        part: type[P],
        *,
        only: Iterable[str] | None = None,
        own: Mapping[str, Maker] | None = None,
        across: bool = False,
    ) -> None:
        super().__init__()
        self._across = across
        self._part = part
        self._value: P | None = None
        self.rows: dict[str, Row] = {}
        self.stops: list[QWidget] = []
        """Where the keyboard stops, in order."""
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(Theme.current().px(8))
        fields = {field.name: field for field in fields_of(part)}
        shown = [fields[name] for name in (fields if only is None else only)]
        self._add_all([field for field in shown if not field.advanced], own or {}, self._rows)
        self._advanced = self._fold([field for field in shown if field.advanced], own or {})

    def value(self) -> P:
        """The part as the form shows it."""
        base = self._value or self._part()
        return rebuilt(base, {name: cast(Editor, row.editor).value() for name, row in self.rows.items()})

    def set_value(self, part: P) -> None:
        """Show a part."""
        self._value = part
        for name, row in self.rows.items():
            cast(Editor, row.editor).set_value(getattr(part, name))

    def show_problems(self, problems: Mapping[str, str]) -> None:
        """Paint sentences on the options they belong to, by name (`rank`, or `schedule.floor` for one below)."""
        for name, row in self.rows.items():
            own = [text for path, text in problems.items() if path == name or path.startswith(f"{name}.")]
            row.say("checks", own[0] if own else "")

    @property
    def unfolded(self) -> bool:
        """Whether the advanced options are open."""
        return self._advanced is not None and self._advanced.isChecked()

    def _add_all(self, fields: list[Field], own: Mapping[str, Maker], rows: QVBoxLayout) -> None:
        """A row for each, below one another or side by side."""
        made = [row for field in fields if (row := self._made(field, own)) is not None]
        columns = Columns(least=_OPTION, counts=(1, 2, 3, 5), gaps=(20, 8)) if self._across and made else None
        if columns is not None:
            rows.addWidget(columns)
        for row in made:
            rows.addWidget(row) if columns is None else columns.add(row)

    def _made(self, field: Field, own: Mapping[str, Maker]) -> Row | None:
        """The row of an option; None where there is no editor for it."""
        editor = make(field, own)
        if editor is None:
            return None
        row = Row(field, editor)
        name = field.name
        if not field.required:
            cast(Editor, editor).set_value(field.default)
        cast(Editor, editor).edited.connect(lambda value: self._say(name, value))
        if hasattr(editor, "refused"):
            editor.refused.connect(lambda problem: self._refuse(name, problem))
        self.rows[name] = row
        self.stops.append(editor)
        return row

    def _fold(self, fields: list[Field], own: Mapping[str, Maker]) -> Button | None:
        """The advanced options behind a button; None where there are none."""
        if not fields:
            return None
        toggle = ghost("Advanced", icon="chevron-right")
        toggle.setCheckable(True)
        self.stops.append(toggle)
        body = QWidget()
        rows = QVBoxLayout(body)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(Theme.current().px(8))
        self._add_all(fields, own, rows)
        toggle.toggled.connect(body.setVisible)
        body.hide()
        self._rows.addWidget(toggle, 0, Qt.AlignmentFlag.AlignLeft)
        self._rows.addWidget(body)
        return toggle

    def _say(self, name: str, value: Any) -> None:
        self.rows[name].say("editor", "")
        self.edited.emit(name, value)

    def _refuse(self, name: str, problem: str) -> None:
        self.rows[name].say("editor", problem)
        self.refused.emit(name, problem)


def bind(form: Form[Any], document: Document, prefix: str = "") -> None:
    """Make a form show a part of the document (`adapter`; the whole configuration for "") and edit it."""

    def path(name: str) -> str:
        return f"{prefix}.{name}" if prefix else name

    def show(paths: frozenset[str] | None = None) -> None:
        if paths is None or any(concerned(changed) for changed in paths):
            form.set_value(value_at(document.config, prefix) if prefix else document.config)

    def concerned(changed: str) -> bool:
        return changed.startswith(path("")) and changed.removeprefix(path("")).split(".")[0] in form.rows

    def take(name: str, value: Any) -> None:
        try:
            document.set(path(name), value)
        except UserError as error:
            form.rows[name].say("editor", error.text)
            document.say(path(name), error.text)

    def paint() -> None:
        start = path("")
        found = {where.removeprefix(start): text for where, text in document.problems().items()}
        form.show_problems({where: text for where, text in found.items() if where.split(".")[0] in form.rows})

    form.edited.connect(take)
    form.refused.connect(lambda name, problem: document.say(path(name), problem))
    document.changed.connect(show)
    document.problems_changed.connect(paint)
    show()
    paint()
