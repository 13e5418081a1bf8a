"""Buttons: primary (one a page), plain, danger, ghost, and the pill-shaped chip for choices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from app.style.theme import Theme

Kind = Literal["primary", "plain", "danger", "ghost", "chip"]


class Button(QPushButton):
    """A button of one kind, with an accessible name, reached with Tab.

    Args:
        text: what it does, in a word or two; may be empty where `icon` and `name` are given.
        kind: see the module.
        icon: name of an icon in `resources/icons`.
        name: for screen readers and as tooltip, where the text alone does not say it.
        do: called on a click.
        key: shortcut, named in the tooltip.
    """

    def __init__(
        self,
        text: str = "",
        kind: Kind = "plain",
        *,
        icon: str = "",
        name: str = "",
        do: Callable[[], object] | None = None,
        key: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(f" {text}" if icon and text else text, parent)
        self._icon = icon
        self._name = name
        self.setProperty("kind", kind)
        self.setAccessibleName(name or text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAutoDefault(False)
        if key:
            self.setShortcut(QKeySequence(key))
        shown = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
        self.setToolTip(" ".join(part for part in (name, f"({shown})" if shown else "") if part))
        if do is not None:
            self.clicked.connect(lambda: do())
        if icon:
            self._set_icon()
            Theme.current().changed.connect(self._set_icon)

    def setText(self, text: str) -> None:
        """Say something else, also to a screen reader."""
        super().setText(text)
        self.setAccessibleName(self._name or text)

    def _set_icon(self) -> None:
        color = "on_button" if self.property("kind") == "primary" else "muted"
        self.setIcon(Theme.current().icon(self._icon, color))


def primary(text: str, do: Callable[[], object] | None = None, *, icon: str = "", name: str = "") -> Button:
    """The page's main button."""
    return Button(text, "primary", do=do, icon=icon, name=name)


def plain(text: str, do: Callable[[], object] | None = None, *, icon: str = "", name: str = "") -> Button:
    """An ordinary button."""
    return Button(text, "plain", do=do, icon=icon, name=name)


def danger(text: str, do: Callable[[], object] | None = None, *, icon: str = "", name: str = "") -> Button:
    """A button that ends or removes something."""
    return Button(text, "danger", do=do, icon=icon, name=name)


def ghost(text: str, do: Callable[[], object] | None = None, *, icon: str = "", name: str = "") -> Button:
    """A quiet button without a frame."""
    return Button(text, "ghost", do=do, icon=icon, name=name)


class Chip(Button):
    """A pill that can be chosen; give several to a `QButtonGroup` for one of many."""

    def __init__(
        self, text: str, *, checked: bool = False, name: str = "", do: Callable[[], object] | None = None
    ) -> None:
        super().__init__(text, "chip", name=name, do=do)
        self.setCheckable(True)
        self.setChecked(checked)
        self.clicked.connect(self._follow)
        self.toggled.connect(self._lead)

    def _lead(self, chosen: bool) -> None:
        """Tab comes to the chosen one of several; Qt sees to that only once one of them has had the keys."""
        group = self.group()
        if chosen and group is not None and group.exclusive():
            for one in group.buttons():
                one.setFocusPolicy(Qt.FocusPolicy.TabFocus if one is self else Qt.FocusPolicy.NoFocus)

    def _follow(self) -> None:
        """Take the keyboard's place from another of the group: a ring left there would look like a second choice."""
        focused = QApplication.focusWidget()
        if isinstance(focused, Chip) and focused.group() is not None and focused.group() is self.group():
            self.setFocus()
