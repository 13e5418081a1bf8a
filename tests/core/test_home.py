"""The home is found where the user says, and its folders are there afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import UserError
from core.home import find_home


def test_the_argument_wins_over_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKLOOM_HOME", str(tmp_path / "variable"))

    assert find_home(str(tmp_path / "given")).root == tmp_path / "given"
    assert find_home().root == tmp_path / "variable"


def test_the_folders_are_made(tmp_path: Path) -> None:
    home = find_home(str(tmp_path / "new" / "home"))

    assert home.runs.is_dir() and home.models.is_dir() and home.bin.is_dir()


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert find_home("here").run("a") == tmp_path / "here" / "runs" / "a"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(UserError, match="file") as caught:
        find_home(str(tmp_path / "file"))
    assert "--home" in caught.value.hint
