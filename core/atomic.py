"""Writing so that a crash, a full disk or a pulled plug leaves either the old state or the new one, never a half.

Everything is written beside its target under a name that nobody reads, forced to the disk, and then renamed, which
the operating system does in one piece. What was half-written is removed when the writing fails.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_IN_WORDS = ("os error 28", "os error 112", "os error 122")
"""How safetensors reports a full disk: Linux's and macOS's number, Windows's, and a quota's. numpy only says that fewer
bytes were written than it had."""


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
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


@contextmanager
def new_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside `target` that becomes `target` when the block ends well, and vanishes when it does not.

    Args:
        target: the folder to make.
        replace: whether one that is already there gives way; otherwise it is an error.

    Raises:
        UserError: `target` exists and may not be replaced.
    """
    if target.exists() and not replace:
        raise UserError(f"{target} is already there.", hint="Choose another folder, or remove this one.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    temporary.mkdir()
    try:
        yield temporary
        sync(temporary)
        if target.exists():
            old = temporary.with_suffix(".old")
            target.rename(old)
            temporary.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(target.parent)


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
    """Folders can be synced where the system allows opening them (not on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
