"""How much room there is, wherever a path leads."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.errors import UserError
from core.room import free


def test_the_room_of_what_is_not_there_yet_is_that_of_the_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = {tmp_path: SimpleNamespace(free=7)}
    monkeypatch.setattr(shutil, "disk_usage", room.__getitem__)
    assert free(tmp_path / "a" / "b") == 7


def test_a_drive_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: False)
    with pytest.raises(UserError, match="There is no"):
        free(tmp_path / "out")
