"""One of several: a combo box over values with labels and help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QWidget

from app.style.theme import Theme


@dataclass(frozen=True)
class Choice:
    """A value that can be chosen, what the form calls it, and what it means."""

    value: Any
    label: str
    help: str = ""


class ChoiceEdit(QComboBox):
    """An editor for `Literal` options and for texts of which there is a list.

    Args:
        choices: what there is to choose from.
        width: that it has at least, in unscaled pixels.
    """

    edited = Signal(object)

    def __init__(self, choices: Sequence[Choice], *, width: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._least = width
        self._choices: tuple[Choice, ...] = ()
        self.set_choices(choices)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.activated.connect(lambda index: self.edited.emit(self._choices[index].value))

    def set_choices(self, choices: Sequence[Choice]) -> None:
        """Offer these; the present value stays where it is among them."""
        present = self.value() if self.currentIndex() >= 0 else None
        self._choices = tuple(choices)
        self.clear()
        for index, choice in enumerate(choices):
            self.addItem(choice.label)
            self.setItemData(index, choice.help, Qt.ItemDataRole.ToolTipRole)
        if present is not None:
            self.set_value(present)

    def value(self) -> Any:
        """The value chosen."""
        return self._choices[self.currentIndex()].value if self.currentIndex() >= 0 else None

    def set_value(self, value: Any) -> None:
        """Show a value; one that is not in the list is added under its own name."""
        known = [choice.value for choice in self._choices]
        if value not in known:
            self.set_choices((*self._choices, Choice(value, str(value))))
            known.append(value)
        self.setCurrentIndex(known.index(value))

    def sizeHint(self) -> QSize:
        """Room for the longest choice."""
        return super().sizeHint().expandedTo(QSize(Theme.current().px(self._least), 0))

    def showPopup(self) -> None:
        """The list is as wide as its words, however narrow the box."""
        view = self.view()
        view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        view.setMinimumWidth(
            view.sizeHintForColumn(0) + 2 * view.frameWidth() + view.verticalScrollBar().sizeHint().width()
        )
        super().showPopup()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel scrolls the page; it never changes a choice in passing."""
        event.ignore()
