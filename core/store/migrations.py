"""The tables, as named steps from the first version on; each is applied once, with its record, in one transaction.

Steps only ever add: a worker of the version before may still be writing while the window of the next one opens.
Imported only when a step is due, because sqlite-utils takes most of a second.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

_TABLES = (
    # What the list of runs shows is kept in columns of its own, so that ten thousand runs list without reading
    # their configurations. `state` is the fold of the run's events (core.state); `replayed` names the last spill file
    # that was taken in (core.store.spill).
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, config TEXT NOT NULL,
        tags TEXT NOT NULL DEFAULT '[]', notes TEXT NOT NULL DEFAULT '', deleted REAL,
        method TEXT NOT NULL, model TEXT NOT NULL, data TEXT NOT NULL,
        phase TEXT NOT NULL, state TEXT NOT NULL DEFAULT '{}',
        best_loss REAL, first_loss REAL, last_loss REAL, seconds REAL NOT NULL DEFAULT 0,
        layers TEXT NOT NULL DEFAULT '[]', replayed TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX runs_by_age ON runs (created)",
    "CREATE INDEX runs_by_phase ON runs (phase)",
    # AUTOINCREMENT: a cursor must never see a number twice, not even after rows were deleted.
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL,
        body TEXT NOT NULL
    )""",
    "CREATE INDEX events_of_run ON events (run, seq)",
    # Keyed and stored by (run, key, step): a curve is one run of neighbouring rows. SQLite has no nan: it is NULL.
    """CREATE TABLE points (
        run TEXT NOT NULL, key TEXT NOT NULL, step INTEGER NOT NULL, value REAL, PRIMARY KEY (run, key, step)
    ) WITHOUT ROWID""",
    # One number per adapted layer, little-endian float32. With row ids, because a blob of hundreds of layers in the
    # key's own tree would make choosing every n-th step as slow as reading them all.
    """CREATE TABLE vectors (
        run TEXT NOT NULL, key TEXT NOT NULL, step INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (run, key, step)
    )""",
    """CREATE TABLE samples (
        run TEXT NOT NULL, step INTEGER NOT NULL, prompt TEXT NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (run, step, prompt)
    )""",
    """CREATE TABLE checkpoints (
        run TEXT NOT NULL, step INTEGER NOT NULL, folder TEXT NOT NULL, best INTEGER NOT NULL, time REAL NOT NULL,
        PRIMARY KEY (run, folder)
    )""",
    """CREATE TABLE commands (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, kind TEXT NOT NULL, taken INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX commands_waiting ON commands (run, seq) WHERE NOT taken",
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL,
        cancel INTEGER NOT NULL DEFAULT 0, text TEXT NOT NULL DEFAULT '', share REAL, result TEXT,
        error_text TEXT NOT NULL DEFAULT '', error_hint TEXT NOT NULL DEFAULT '', traceback TEXT NOT NULL DEFAULT ''
    )""",
)


def first_tables(database: Database) -> None:
    """Version 1: runs and what they say, and the jobs of the warm worker."""
    for table in _TABLES:
        database.conn.execute(table)


STEPS: tuple[Callable[[Database], None], ...] = (first_tables,)


def apply(connection: sqlite3.Connection) -> None:
    """Apply the steps that are due; the database's `user_version` counts them, within the same transactions."""
    migrations = Migrations("rankloom")
    for number, step in enumerate(STEPS, start=1):
        migrations(name=step.__name__)(_counted(step, number))
    migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))


def _counted(step: Callable[[Database], None], number: int) -> Callable[[Database], None]:
    def run(database: Database) -> None:
        step(database)
        database.conn.execute(f"PRAGMA user_version = {number}")

    return run
