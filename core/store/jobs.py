"""The short jobs of the warm worker, as rows: the window asks, the service takes, both watch.

Used through `Store` by the window and by `core.service` in the worker; see there for what the kinds are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.store.rows import JobRow
from core.store.schema import transaction, translated

_COLUMNS = "id, kind, body, state, cancel, text, share, result, error_text, error_hint, traceback"

KEPT = 100
"""Ended jobs that stay, so that whoever waits for one still finds it."""


class Jobs:
    """The table of jobs, on somebody's connection."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self._path = path

    def ask(self, kind: str, body: dict[str, Any]) -> int:
        """Queue a job; returns its number."""
        with translated(self._path):
            cursor = self._database.execute(
                "INSERT INTO jobs (kind, body, state) VALUES (?, ?, 'queued')", (kind, json.dumps(body))
            )
        return cursor.lastrowid or 0

    def row(self, job: int) -> JobRow:
        """A job as it stands.

        Raises:
            UserError: there is no job of this number.
        """
        with translated(self._path):
            row = self._database.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job,)).fetchone()
        if row is None:
            raise UserError(f"There is no job {job}.")
        return _job(row)

    def answer(self, kind: str, body: dict[str, Any]) -> JobRow | None:
        """The newest job of this kind that was asked just this and has been done; None where there is none."""
        with translated(self._path):
            row = self._database.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE kind = ? AND state = 'done' AND body = ? ORDER BY id DESC LIMIT 1",
                (kind, json.dumps(body)),
            ).fetchone()
        return None if row is None else _job(row)

    def cancel(self, job: int) -> None:
        """Ask for a job's end: at once where it has not begun, at its next sign of life where it has."""
        with translated(self._path), transaction(self._database):
            self._database.execute("UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state = 'queued'", (job,))
            self._database.execute("UPDATE jobs SET cancel = 1 WHERE id = ? AND state = 'running'", (job,))

    def take(self) -> JobRow | None:
        """The oldest queued job, which is running from now on; None where nothing waits."""
        with translated(self._path):
            waiting = self._database.execute("SELECT 1 FROM jobs WHERE state = 'queued' LIMIT 1").fetchone()
            if waiting is None:
                return None
            with transaction(self._database):
                row = self._database.execute(
                    "UPDATE jobs SET state = 'running' WHERE id = (SELECT min(id) FROM jobs WHERE state = 'queued') "
                    f"RETURNING {_COLUMNS}"
                ).fetchone()
        return None if row is None else _job(row)

    def progress(self, job: int, text: str, share: float | None) -> bool:
        """Note what a running job is busy with; returns whether the user has asked for its end."""
        with translated(self._path):
            row = self._database.execute(
                "UPDATE jobs SET text = ?, share = ? WHERE id = ? RETURNING cancel", (text, share, job)
            ).fetchone()
        return bool(row and row[0])

    def done(self, job: int, result: dict[str, Any]) -> None:
        """A job came to its end."""
        self._end(job, "done", result=json.dumps(result), share=1.0)

    def cancelled(self, job: int) -> None:
        """A job was ended by the user."""
        self._end(job, "cancelled")

    def failed(self, job: int, text: str, *, hint: str = "", traceback: str = "") -> None:
        """A job could not be done; `traceback` only where that is our mistake."""
        self._end(job, "failed", error_text=text, error_hint=hint, traceback=traceback)

    def abandon(self) -> None:
        """Mark what says that it is running as failed: whoever ran it is gone (the caller holds the service's lock)."""
        with translated(self._path):
            self._database.execute(
                "UPDATE jobs SET state = 'failed', error_text = ?, error_hint = ? WHERE state = 'running'",
                ("The background worker ended before this was done.", "Try again; service.log in the home says more."),
            )

    def prune(self, kinds: Collection[str], *, keep: int = KEPT) -> None:
        """Forget jobs that have ended, but for the newest: failed and cancelled ones, and what was done of `kinds`.

        Args:
            kinds: those whose results nobody asks for a second time.
            keep: how many of the newest jobs stay whatever they are.
        """
        marks = ", ".join("?" for _ in kinds)
        with translated(self._path):
            self._database.execute(
                "DELETE FROM jobs WHERE id <= (SELECT max(id) FROM jobs) - ? AND "
                f"(state IN ('failed', 'cancelled') OR (state = 'done' AND kind IN ({marks})))",
                (keep, *kinds),
            )

    def _end(self, job: int, state: str, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in ("state", *columns))
        with translated(self._path):
            self._database.execute(f"UPDATE jobs SET {names} WHERE id = ?", (state, *columns.values(), job))


def _job(row: tuple[Any, ...]) -> JobRow:
    job, kind, body, state, cancel, text, share, result, *rest = row
    done = None if result is None else json.loads(result)
    return JobRow(job, kind, json.loads(body), state, bool(cancel), text, share, done, *rest)
