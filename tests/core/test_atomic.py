"""Writing whole or not at all, with the rights that the user gives new files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from core import atomic
from core.atomic import disk_is_full, new_folder, write_text
from core.errors import UserError


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o007, 0o660, 0o770)])
def test_what_is_written_has_the_rights_of_any_new_file(mask: int, file: int, folder: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "run.yaml", "name: first\n")
        with new_folder(tmp_path / "made") as made:
            (made / "inside").write_text("x", encoding="utf-8")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "run.yaml").stat().st_mode) == file
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == folder


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "run.yaml"
    write_text(target, "old")
    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        write_text(target, "new")
    assert disk_is_full(caught.value)
    with pytest.raises(OSError, match="No space"), new_folder(tmp_path / "made") as made:
        (made / "inside").write_text("x", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == "old" and list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_exchanged_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, target = Path.replace, tmp_path / "made"

    def in_use(source: Path, to: Path) -> Path:
        if to == target and source.suffix == ".part":
            raise PermissionError(errno.EACCES, "in use")
        return replace(source, to)

    target.mkdir()
    (target / "old").touch()
    monkeypatch.setattr(Path, "replace", in_use)
    monkeypatch.setattr(Path, "rename", in_use)
    with pytest.raises(PermissionError), new_folder(target, replace=True) as made:
        (made / "new").touch()

    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["made", "made/old"]


def test_a_file_that_somebody_reads_for_an_instant_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, refusals = Path.replace, [PermissionError(errno.EACCES, "in use") for _ in range(3)]

    def as_on_windows(source: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", as_on_windows)
    monkeypatch.setattr(atomic, "_PATIENCE", 60.0)
    write_text(tmp_path / "process.json", "{}")

    assert [path.name for path in tmp_path.iterdir()] == ["process.json"] and not refusals


def test_a_folder_that_is_there_gives_way_only_where_that_was_said(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "old").touch()
    with pytest.raises(UserError, match="already there"), new_folder(tmp_path / "made"):
        pass
    with new_folder(tmp_path / "made", replace=True) as made:
        (made / "inside").write_text("x", encoding="utf-8")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["made", "made/inside"]


def test_what_somebody_has_put_there_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "chosen"
    target.mkdir()
    with pytest.raises(UserError, match="already there"), new_folder(target) as made:
        (made / "ours").touch()
        (target / "theirs").touch()

    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["chosen", "chosen/theirs"]


def test_an_empty_folder_gives_way(tmp_path: Path) -> None:
    (tmp_path / "chosen").mkdir()
    with new_folder(tmp_path / "chosen") as made:
        (made / "ours").touch()

    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["chosen", "chosen/ours"]


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folders at all")
def test_a_file_system_that_syncs_no_folders_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def of_files_alone(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(atomic.os, "fsync", of_files_alone)
    write_text(tmp_path / "run.yaml", "name: first\n")
    with new_folder(tmp_path / "made") as made:
        (made / "inside").touch()

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inside", "made", "run.yaml"]
