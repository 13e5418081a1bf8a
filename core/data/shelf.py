"""Folders that are kept because making them again takes long: found by a key, made in one piece, bounded in bytes.

An entry is never changed. What it is about stands in its key, so an entry is right for as long as it is there, and one
that nobody asks for any more is thrown away when the room is needed. Two processes may make the same one at once: the
first that is done puts it there, and the other's is dropped. Whatever goes wrong with keeping costs time and no more.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.atomic import new_folder
from core.errors import UserError
from core.room import free

MOST = 8 * 2**30
"""Bytes of all entries together."""
SHARE = 4
"""An entry is kept where the disk has this many times its bytes free."""
ABANDONED = 24 * 3600.0
"""Seconds after which a half-made entry belongs to nobody any more."""
_USED = "used"
"""A file in each entry whose time says when it was last asked for."""


class Shelf:
    """The entries in a folder.

    Args:
        folder: made when the first entry is.
        most: bytes of all entries together.
    """

    def __init__(self, folder: Path, *, most: int = MOST) -> None:
        self.folder = folder
        self._most = most

    def find(self, key: str) -> Path | None:
        """The entry of a key, which counts as used now; None where there is none."""
        entry = self.folder / key
        try:
            os.utime(entry / _USED)
        except FileNotFoundError:
            return None
        except OSError:  # a disk that can only be read
            pass
        return entry

    def keep(self, key: str, size: int, fill: Callable[[Path], None]) -> bool:
        """Make an entry.

        Args:
            key: what it is about, as a file's name.
            size: bytes that it will have at most.
            fill: puts its files into the folder that it is given.

        Returns:
            Whether it is there now; not where it would be too large, or the disk refuses.
        """
        try:
            if size > self._most or size * SHARE > free(self.folder):
                return False
            self._make_room(size)
            with new_folder(self.folder / key) as entry:
                fill(entry)
                (entry / _USED).touch()
        except (OSError, UserError):  # the disk will not have it, or another process was faster
            return (self.folder / key / _USED).exists()
        return True

    def drop(self, key: str) -> None:
        """Throw an entry away."""
        shutil.rmtree(self.folder / key, ignore_errors=True)

    def _make_room(self, size: int) -> None:
        """Throw away what was not used for longest, until `size` bytes more are within the bound."""
        if not self.folder.is_dir():
            return
        entries: list[tuple[float, int, Path]] = []
        for entry in self.folder.iterdir():
            with suppress(OSError):  # it is being thrown away elsewhere
                whole = entry / _USED
                if whole.exists() and not entry.name.startswith("."):
                    entries.append((whole.stat().st_mtime, _bytes(entry), entry))
                elif time.time() - entry.stat().st_mtime > ABANDONED:
                    shutil.rmtree(entry, ignore_errors=True)
        held = sum(taken for _, taken, _ in entries)
        for _, taken, entry in sorted(entries):
            if held + size <= self._most:
                return
            shutil.rmtree(entry, ignore_errors=True)
            held -= taken


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
