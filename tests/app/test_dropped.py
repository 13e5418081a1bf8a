"""What is dropped on the window, or opened once more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QDialog

from app.dropped import OFFERS, kind_of
from app.errors import ErrorDialog
from app.window import Window
from core.config import files
from tests.app import seed

Open = Callable[[], Window]


def test_a_run_file_is_opened(window: Open, folder: Path) -> None:
    path = folder / "tried-before.yaml"
    files.write(seed.config("tried-before", steps=77), path)
    shown = window()
    assert kind_of(path) in OFFERS
    shown.use(path)
    assert shown.document.config.train.steps == 77 and shown.current == "method"
    shown.document.undo.undo()
    assert shown.document.config.train.steps != 77


@pytest.mark.parametrize(
    ("name", "says"), [("gone", "any more"), ("picture.png", "nor a run file"), ("bad.yaml", "bad")]
)
def test_what_cannot_be_used_changes_nothing_and_is_said(window: Open, folder: Path, name: str, says: str) -> None:
    if name != "gone":
        (folder / name).write_text("- no run\n", encoding="utf-8")
    shown = window()
    before = shown.document.config
    shown.use(folder / name)
    dialog = shown.findChild(QDialog)
    assert isinstance(dialog, ErrorDialog) and says in dialog.said
    assert shown.document.config == before


def test_a_folder_that_cannot_be_looked_into_is_no_crash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert kind_of(folder) == "model"
