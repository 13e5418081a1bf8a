"""What an export has left: the folder, its files, and how close the written model is to the trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout

from app.widgets.buttons import Button
from app.widgets.labels import ElidedLabel, label
from app.widgets.panel import Panel
from app.widgets.stat_row import StatRow
from app.words import size

_MOST_FILES = 12


class ExportResult(Panel):
    """The result of one export."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("Exported", note=f"from step {result['step']}")
        self.folder = Path(result["folder"])
        self.add(StatRow("Folder", str(self.folder)))
        if kept := result.get("kept"):
            self.add(StatRow("Kept of what was learned", f"{100 * kept['share']:.2f} % at rank {kept['rank']}"))
        self._add_verified(result.get("verified"))
        for note in result.get("notes", ()):
            self.add(label(note, "label", wrap=True, select=True))
        self._add_files([Path(name) for name in result["files"]])
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(Button("Open the folder", do=self._open))
        row.addWidget(Button("Copy its path", do=lambda: QGuiApplication.clipboard().setText(str(self.folder))))
        row.addStretch(1)
        self.add(row)

    def _add_verified(self, verified: dict[str, Any] | None) -> None:
        if verified is None:
            self.add(StatRow("Verified", "not asked for"))
            return
        self.add(StatRow("Largest difference of logits", f"{verified['max_logit_gap']:.2g}"))
        unit = str(verified.get("unit", "tokens")).capitalize()
        self.add(StatRow(f"{unit} that agree", f"{100 * verified['token_agreement']:.2f} %"))
        self.add(label(str(verified["sentence"]), "label", wrap=True, select=True))

    def _add_files(self, files: list[Path]) -> None:
        total = sum(path.stat().st_size for path in files if path.exists())
        self.add(StatRow("Files", f"{len(files)}, together {size(total)}"))
        for path in files[:_MOST_FILES]:
            self.add(_file(path, self.folder))
        if len(files) > _MOST_FILES:
            self.add(label(f"and {len(files) - _MOST_FILES} more", "hint"))

    def _open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder)))


def _file(path: Path, folder: Path) -> StatRow | ElidedLabel:
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    return StatRow(f"    {name}", size(path.stat().st_size) if path.exists() else "missing")
