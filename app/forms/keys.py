"""Keys that editors leave to the window: it undoes the whole configuration, not the letters of one field."""

from __future__ import annotations

from PySide6.QtCore import QEvent
from PySide6.QtGui import QKeyEvent, QKeySequence

_KEYS = (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo)


def left_to_window(event: QEvent) -> bool:
    """Whether this is an undo or redo key, which is then marked as not taken."""
    ours = (
        event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)
        and isinstance(event, QKeyEvent)
        and any(event.matches(key) for key in _KEYS)
    )
    if ours:
        event.ignore()
    return ours
