"""Writing so that a crash, a full disk or a pulled plug leaves either the old state or the new one, never a half.

Everything is written beside its target under a name that nobody reads, forced to the disk, and then renamed, which
the operating system does in one piece. What was half-written is removed when the writing fails.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_IN_WORDS = ("os error 28", "os error 112", "os error 122")
"""How safetensors reports a full disk: Linux's and macOS's number, Windows's, and a quota's. numpy only says that fewer
bytes were written than it had."""
_NO_FOLDERS = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS, errno.EACCES)
"""What systems say that sync files and not folders: some that are mounted over a network, or by a program."""
_PATIENCE = 2.0 if os.name == "nt" else 0.0
"""Seconds for which a renaming is tried: Windows refuses it while somebody has the file open, be it for an instant."""


def write_text(path: Path, text: str) -> None:
    """Put `text` (UTF-8, newlines as given) into `path`, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` into `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


@contextmanager
def new_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside `target` that becomes `target` when the block ends well, and vanishes when it does not.

    Args:
        target: the folder to make; one that is there and empty gives way.
        replace: whether one with something in it does, too.

    Raises:
        UserError: there is a file, or a folder with something in it, before or after the block, and it may not be
            replaced.
    """
    if not replace:
        refuse_filled(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    temporary.mkdir()
    try:
        yield temporary
        sync(temporary)
        if not replace:
            refuse_filled(target)  # somebody else may have been faster
        if target.exists():
            _exchange(temporary, target)
        else:
            _rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(target.parent)


def refuse_filled(target: Path) -> None:
    """Refuse to make a folder where there is a file, or a folder with something in it.

    Raises:
        UserError: there is.
    """
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise UserError(f"{target} is already there.", hint="Choose another folder, or remove this one.")


def _exchange(new: Path, target: Path) -> None:
    """Put a folder in another one's place; where it cannot be put there, the other one is back."""
    old = new.with_suffix(".old")
    _rename(target, old)
    try:
        _rename(new, target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    """In one piece, over a file that is there; with patience where the system asks for it."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.01)


def disk_is_full(error: BaseException) -> bool:
    """Whether something failed because there is no room, by whichever library says so."""
    said = str(error)
    short = getattr(error, "errno", None) is None and " requested and " in said and said.endswith(" written")
    return getattr(error, "errno", None) in _FULL or short or any(words in said for words in _FULL_IN_WORDS)


def _beside(target: Path) -> Path:
    """A name that nobody has, in the folder of `target`; who makes it gets the rights that the user gives new files."""
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")


def sync(folder: Path) -> None:
    """Force every file below `folder`, and the folder itself, to the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """As `sync`, for the names in it, where the system does that: Windows opens no folders."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDERS:
            raise
