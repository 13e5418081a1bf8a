"""The models on this machine as a list: found at once, described one by one while nobody waits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, QTimer

from app.words import short, size
from core.errors import UserError
from core.models.catalog import Found, describe
from core.models.info import ModelInfo

_NO_PARENT = QModelIndex()


@dataclass
class Entry:
    """One model that was come across, and what is known of it by now."""

    found: Found
    info: ModelInfo | None = None
    error: UserError | None = None

    @property
    def line(self) -> str:
        """The second line: what it is, or what is wrong with it."""
        if self.error is not None:
            place = str(self.found.path)  # it stands in the tooltip; what is wrong is to be read here
            return (
                self.error.text.replace(f"{place}{os.sep}", "")
                .replace(f" in {place}", "")
                .replace(f" of {place}", "")
                .replace(place, "This")
            )
        if self.info is None:
            return str(self.found.path)
        info = self.info
        return f"{info.family}   {short(info.parameters)} parameters   {info.dtype}   {size(info.bytes)}"


class ModelsList(QAbstractListModel):
    """Display is the name, `LINE` the second line, `ORIGIN` where it was found, `BROKEN` whether it cannot be used."""

    LINE = Qt.ItemDataRole.UserRole + 1
    ORIGIN = Qt.ItemDataRole.UserRole + 2
    BROKEN = Qt.ItemDataRole.UserRole + 3

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self._next = 0
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._describe_one)

    def set_found(self, found: list[Found]) -> None:
        """Show these; what was known of a path stays known, but what was wrong with it is looked at again."""
        known = {entry.found.path: entry for entry in self.entries if entry.error is None}
        self.beginResetModel()
        self.entries = [known.get(item.path, Entry(item)) for item in found]
        self.endResetModel()
        self._next = 0
        self._timer.start()

    def row_of(self, path: Path | None) -> int:
        """The row of a path; -1 where it is not listed."""
        return next((row for row, entry in enumerate(self.entries) if entry.found.path == path), -1)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NO_PARENT) -> int:
        """How many there are."""
        return 0 if parent.isValid() else len(self.entries)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """See the class."""
        entry = self.entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return entry.found.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(entry.found.path)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{entry.found.name}, {entry.line}, {entry.found.origin}"
        return {self.LINE: entry.line, self.ORIGIN: entry.found.origin, self.BROKEN: entry.error is not None}.get(role)

    def _describe_one(self) -> None:
        """Read one header, then let the window breathe."""
        while self._next < len(self.entries) and (self.entries[self._next].info or self.entries[self._next].error):
            self._next += 1
        if self._next >= len(self.entries):
            self._timer.stop()
            return
        entry = self.entries[self._next]
        try:
            entry.info = describe(entry.found.path)
        except UserError as error:
            entry.error = error
        changed = self.index(self._next)
        self.dataChanged.emit(changed, changed)
