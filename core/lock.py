"""A lock between processes that the operating system frees however its holder ends.

`fcntl.lockf` and not `flock`: a helper forked by the holder inherits a `flock` and keeps it after the holder was
killed. The price is that such a lock belongs to the process: a second thread would be given it too, and closing *any*
handle on the file drops it. So this process keeps a list of what it holds, and touches a file only where it is not on
that list; list and files are touched by one thread at a time.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

from core.errors import UserError

_PATIENCE = 2.0
"""Seconds to go on trying: somebody who only looks (`held`) has the file for an instant."""

_ANOTHERS = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
"""What systems say of a lock that another process has; anything else is said of a file that cannot be locked at all."""

_ours: set[Path] = set()
"""Lock files that this process holds."""
_touching = threading.Lock()
"""Of the list and of the files that are on it, or are about to be."""

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, *, shared: bool) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int, *, shared: bool) -> None:
        fcntl.lockf(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


class FileLock:
    """An exclusive lock on a file, held from `acquire` (or entering) until `release` (or the end of the process)."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._handle: int | None = None

    def acquire(self, *, patience: float = _PATIENCE) -> bool:
        """Take the lock, trying for `patience` seconds; False where another process, or this one, has it.

        Raises:
            UserError: there is no such folder, the file may not be written to, or its file system knows no locks.
        """
        end = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() >= end:
                return False
            time.sleep(0.01)
        return True

    def release(self) -> None:
        """Let go; nothing happens where it is not held."""
        with _touching:
            if self._handle is not None:
                _ours.discard(self.path)
                os.close(self._handle)
                self._handle = None

    def _taken(self) -> bool:
        """One attempt."""
        with _touching:
            if self.path in _ours:
                return False
            try:
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                raise UserError(f"{self.path.parent} cannot be written to: {error.strerror or error}.") from error
            try:
                if _granted(handle, shared=False):
                    self._handle = handle
                    _ours.add(self.path)
            except OSError as error:
                raise UserError(
                    f"{self.path} cannot be locked: {error.strerror or error}.",
                    hint="Keep the home on a local disk, with --home.",
                ) from error
            finally:
                if self._handle is None:
                    os.close(handle)
            return self._handle is not None

    def __enter__(self) -> FileLock:
        """Take the lock, waiting for as long as it needs."""
        while not self.acquire():
            continue
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def held(path: Path) -> bool:
    """Whether any process holds the lock on this file. Asking disturbs nobody, the holder included."""
    path = path.resolve()
    with _touching:
        if path in _ours:
            return True
        try:
            handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            return not _granted(handle, shared=True)
        except OSError:  # nobody can lock it
            return False
        finally:
            os.close(handle)


def _granted(handle: int, *, shared: bool) -> bool:
    """Whether the system gives the lock on an open file; closing the handle lets go of it.

    Raises:
        OSError: the file system knows no locks, as some over a network do.
    """
    try:
        _lock(handle, shared=shared)
    except OSError as error:
        if error.errno in _ANOTHERS:
            return False
        raise
    return True
