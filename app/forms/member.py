"""A member of an axis: a combo box of the members, and below it the chosen one's own options."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.forms.choice import Choice, ChoiceEdit
from app.forms.form import Form
from app.style.theme import Theme
from core.component import Axis, Component

_FROM_METHOD = Choice(None, "As the method says", "Whatever the known method takes here.")


class MemberEdit(QWidget):
    """An editor whose value is a member of an axis with its options; what was set up stays while looking at others.

    Args:
        axis: the members to choose from.
        optional: whether it can be left to the method: the value is then None.
        apart: whether the form of the options is left to whoever made this to put somewhere, at each `form_changed`.
    """

    edited = Signal(object)
    form_changed = Signal()
    """`form` is another one, or there is none any more; the last one is about to be deleted."""

    def __init__(
        self, axis: Axis[Any], *, optional: bool = False, apart: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._axis = axis
        self._value: Component | None = None if optional else axis.default()
        self._seen: dict[str, Component] = {}
        self._form: Form[Any] | None = None
        self._apart = apart
        self.setProperty("wide", True)
        choices = [Choice(member.kind, member.label, described(member)) for member in axis.members]
        self.combo = ChoiceEdit([*([_FROM_METHOD] if optional else []), *choices])
        self.combo.edited.connect(self._choose)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(Theme.current().px(8))
        self._rows.addWidget(self.combo)
        self.setFocusProxy(self.combo)
        self.set_value(self._value)

    def setAccessibleName(self, name: str) -> None:
        """The name goes to the combo box that a screen reader stops at."""
        super().setAccessibleName(name)
        self.combo.setAccessibleName(name)

    @property
    def form(self) -> Form[Any] | None:
        """The form of the chosen member's options; None where it has none."""
        return self._form

    def value(self) -> Any:
        """The member with its options."""
        return self._value

    def set_value(self, value: Any) -> None:
        """Show a member."""
        same = type(value) is type(self._value) and self._form is not None
        self._value = value
        if value is not None:
            self._seen[value.kind] = value
        self.combo.set_value(value.kind if value else None)
        self.combo.setToolTip(described(type(value)) if value else _FROM_METHOD.help)
        if not same:
            self._rebuild()
        if self._form is not None:
            self._form.set_value(value)

    def _rebuild(self) -> None:
        """Put the form of the present member in place of the last one's."""
        if self._form is not None:
            self._form.hide()
            self._rows.removeWidget(self._form)
            self._form.deleteLater()
            self._form = None
        if self._value is not None and type(self._value).model_fields:
            self._form = Form(type(self._value), across=self._apart)
            self._form.edited.connect(self._change)
            if not self._apart:
                self._rows.addWidget(self._form)
        self.form_changed.emit()

    def _choose(self, kind: str | None) -> None:
        self.set_value(None if kind is None else self._seen.get(kind) or self._axis[kind]())
        self.edited.emit(self._value)

    def _change(self, name: str, value: Any) -> None:
        assert self._value is not None
        self._value = self._value.model_copy(update={name: value})
        self._seen[self._value.kind] = self._value
        self.edited.emit(self._value)


def described(member: type[Component]) -> str:
    """A member's help text with its paper."""
    paper = f" arXiv:{member.paper}" if member.paper and member.paper not in member.help() else ""
    return f"<qt>{member.help()}{paper}</qt>"
