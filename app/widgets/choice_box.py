"""A choice among texts of which one may be longer than its box."""

from __future__ import annotations

from typing import cast

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QHelpEvent, QPaintEvent
from PySide6.QtWidgets import QComboBox, QListView, QStyle, QStyleOptionComboBox, QStylePainter, QToolTip

_AIR = 12
"""Pixels of the field that the style keeps free around the text."""


class ChoiceBox(QComboBox):
    """As narrow as its place wants it: a text that does not fit ends in an ellipsis, and its tooltip has the whole.

    Args:
        alike: whether its rows are of one height, no line between them: hundreds of them are laid out as one then.
    """

    def __init__(self, *, alike: bool = False) -> None:
        super().__init__()
        cast(QListView, self.view()).setUniformItemSizes(alike)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def showPopup(self) -> None:
        """Open the list, wide enough for every text."""
        view = self.view()
        view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        view.setMinimumWidth(min(view.sizeHintForColumn(0) + 28, self.window().width()))
        super().showPopup()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint it with the text cut to the width."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self._cut(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent) -> bool:
        """Show the whole text under the pointer where it is cut, else what the choice is about."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            option = QStyleOptionComboBox()
            self.initStyleOption(option)
            whole = self.currentText()
            QToolTip.showText(event.globalPos(), self.toolTip() if self._cut(option) == whole else whole, self)
            return True
        return super().event(event)

    def _cut(self, option: QStyleOptionComboBox) -> str:
        part = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width() - _AIR
        return self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideRight, room)
