"""Opening the database: its version, its journal, and what is said when it cannot be used.

The hot path is the standard library's `sqlite3`. sqlite-utils, which describes the tables and their migrations, takes
most of a second to import and is therefore asked only when a migration is due (`core.store.migrations`).

Worker and window share the file, so it runs in WAL mode: readers never wait for the writer. WAL needs memory shared
between processes, which network file systems do not have; there the slower DELETE journal does.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import UserError
from core.home import Home
from core.lock import FileLock

VERSION = 1
"""Migrations that this program knows; the database's own number is its `user_version`."""

PATIENCE = 5.0
"""Seconds that a statement waits for another process's lock."""

_NETWORK = ("nfs", "cifs", "smb", "afp", "sshfs", "webdav", "9p", "ncpfs", "glusterfs", "ceph", "beegfs", "lustre")
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SENTENCES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("The disk that holds {path} is full.", "Make room on it and try again."),
    sqlite3.SQLITE_BUSY: ("{path} is in use by another program.", "Close what else has it open and try again."),
    sqlite3.SQLITE_LOCKED: ("{path} is in use by another program.", "Close what else has it open and try again."),
    sqlite3.SQLITE_READONLY: ("{path} may not be written to.", "Check the rights of the file and of its folder."),
    sqlite3.SQLITE_PERM: ("{path} may not be opened.", "Check the rights of the file and of its folder."),
    sqlite3.SQLITE_CANTOPEN: ("{path} cannot be opened.", "Check that its folder exists and may be written to."),
    sqlite3.SQLITE_IOERR: ("{path} cannot be read or written: the disk reports an error.", "Check the disk."),
    sqlite3.SQLITE_PROTOCOL: ("{path} cannot be locked.", "Keep the home on a local disk, with --home."),
    sqlite3.SQLITE_CORRUPT: ("{path} is damaged.", "Start Rankloom again: it sets the file aside and goes on."),
    sqlite3.SQLITE_NOTADB: ("{path} is not a database.", "Start Rankloom again: it sets the file aside and goes on."),
}


def connect(home: Home, *, any_thread: bool = False, patience: float = PATIENCE) -> sqlite3.Connection:
    """Open the home's database at this program's version, making or migrating it where needed.

    Args:
        home: whose database.
        any_thread: whether the connection may be used outside the thread that opens it (one at a time).
        patience: seconds that a statement waits for another process's lock.

    Returns:
        a connection in autocommit mode: transactions are begun and ended in words.

    Raises:
        UserError: the file is of a newer program, damaged (then it has been set aside), or cannot be used.
    """
    path = home.database
    with translated(path):
        connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=not any_thread)
    try:
        with translated(path):
            if _version(connection, path) < VERSION:
                _migrate(connection, home)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException as error:
        connection.close()
        if is_damage(error.__cause__):
            raise _set_aside(path) from error
        raise
    return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite says of the world (full, locked, damaged) into a `UserError`; bugs pass as they are."""
    try:
        yield
    except sqlite3.Error as error:
        found = _SENTENCES.get(_code(error))
        if found is None:
            raise
        raise UserError(found[0].format(path=path), hint=found[1]) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, with the right to write from the start, so that two writers wait instead of failing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_damage(error: BaseException | None) -> bool:
    """Whether the file itself is broken."""
    return isinstance(error, sqlite3.Error) and _code(error) in _DAMAGED


def on_network(path: Path) -> bool:
    """Whether the file lies on another machine, where processes cannot share the memory that WAL needs."""
    import psutil

    resolved = path.resolve()
    if sys.platform == "win32" and str(resolved).startswith("\\\\"):
        return True
    best, found = -1, ""
    for mount in psutil.disk_partitions(all=True):
        if resolved.is_relative_to(mount.mountpoint) and len(mount.mountpoint) > best:
            best, found = len(mount.mountpoint), f"{mount.fstype} {mount.opts if sys.platform == 'win32' else ''}"
    kind = found.lower().removeprefix("fuse.")
    return kind.startswith(_NETWORK) or "remote" in kind


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error is the wrapper's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The database's version; reading the list of tables too finds most damage at once."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version > VERSION:
        raise UserError(
            f"{path} was written by a newer Rankloom (format {version}; this one knows up to {VERSION}).",
            hint="Update Rankloom, or use another home with --home. Nothing has been changed.",
        )
    return version


def _migrate(connection: sqlite3.Connection, home: Home) -> None:
    """Bring the database up to date; of several processes that find it old, one does it and the others wait."""
    with FileLock(home.root / "migrating.lock"):
        if _version(connection, home.database) == VERSION:
            return
        from core.store.migrations import apply

        connection.execute(f"PRAGMA journal_mode = {'DELETE' if on_network(home.database) else 'WAL'}")
        apply(connection)


def _set_aside(path: Path) -> UserError:
    """Rename a damaged database and its journal, so that the next start can make a new one; deletes nothing."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{number}")
    try:
        for ending in ("-wal", "-shm", ""):
            part = path.with_name(path.name + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
    except OSError as error:
        return UserError(
            f"{path} is damaged and cannot be set aside: {error.strerror or error}.",
            hint="Close every Rankloom window and training, then rename the file.",
        )
    return UserError(
        f"{path} is damaged. It has been kept as {aside.name}.",
        hint="Start Rankloom again to go on with an empty list of runs; the folders of all runs are untouched.",
    )
