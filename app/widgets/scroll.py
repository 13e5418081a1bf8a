"""A column that scrolls up and down where it is taller than its room, and is never cut at its sides."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

_AIR = 8
"""Pixels between what scrolls and the bar."""


def scrolled(inner: QWidget) -> QScrollArea:
    """Let a widget scroll; the keyboard reaches what is in it, not the area itself."""
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(inner)
    area = QScrollArea()
    area.setWidget(holder)
    area.setWidgetResizable(True)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    bar = area.verticalScrollBar()
    bar.rangeChanged.connect(lambda low, high: column.setContentsMargins(0, 0, _AIR if high > low else 0, 0))
    return area
