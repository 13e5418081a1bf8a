"""One maker per kind of option: the table that says which editor a field gets.

A new kind of option needs one line here. A new member of an axis needs none: the axis lists it, and its own options are
of kinds that are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from PySide6.QtCore import SignalInstance
from PySide6.QtWidgets import QWidget

from app.forms.choice import Choice, ChoiceEdit
from app.forms.field import Field
from app.forms.number import NumberEdit
from app.forms.switch import Switch
from app.forms.text import LinesEdit, PathEdit, TextEdit
from app.wording import spoken


class Editor(Protocol):
    """What a form asks of the widget that edits a field."""

    edited: SignalInstance
    """Sent with the new value when the user changed it."""

    def value(self) -> Any:
        """The value shown."""

    def set_value(self, value: Any) -> None:
        """Show a value, without sending `edited`."""


_FIELD = 140
"""Width of a number with its unit, and of a short choice: the same down a form."""

Maker = Callable[[Field], QWidget]
"""Makes an `Editor` for a field; typed as the widget it also is."""


def make(field: Field, own: Mapping[str, Maker]) -> QWidget | None:
    """The editor for a field: the page's `own` one of its name, else that of its kind; None where no form edits it."""
    if field.name in own:
        return own[field.name](field)
    for fits, maker in MAKERS:
        if fits(field):
            return maker(field)
    return None


def _literal(field: Field) -> QWidget:
    return ChoiceEdit([Choice(value, spoken(value)) for value in field.literals], width=_FIELD)


def _member(field: Field) -> QWidget:
    from app.forms.member import MemberEdit  # it holds a form of its own, so it can't be imported before this table

    axis = field.axis
    assert axis is not None
    return MemberEdit(axis, optional=field.default is None)


MAKERS: tuple[tuple[Callable[[Field], bool], Maker], ...] = (
    (lambda field: field.annotation is bool, lambda field: Switch()),
    (lambda field: field.annotation in (int, float), lambda field: NumberEdit(field, width=_FIELD)),
    (lambda field: bool(field.literals), _literal),
    (lambda field: field.axis is not None, _member),
    (lambda field: field.annotation is str and field.is_path, PathEdit),
    (lambda field: field.annotation is str, lambda field: TextEdit()),
    (lambda field: field.annotation == tuple[str, ...], lambda field: LinesEdit()),
)
"""Does it fit this field? What makes its editor. The first that fits counts."""
