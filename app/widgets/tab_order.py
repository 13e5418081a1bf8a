"""Where Tab leads to what is made anew while its page is there: Qt would put it behind everything else."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget


def lead_through(holder: QWidget, widgets: Iterable[QWidget]) -> None:
    """Have Tab walk through these widgets, from whatever stands before the holder that they are in."""
    before = holder.previousInFocusChain()
    while before and before is not holder and before.focusPolicy() == Qt.FocusPolicy.NoFocus:
        before = before.previousInFocusChain()
    for one, other in pairwise((before or holder, *widgets)):
        QWidget.setTabOrder(one, other)
