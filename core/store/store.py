"""What the window and the command line know of runs, and what they may say about them.

The window writes only what is its own: new runs, names, tags, notes, the bin, commands and jobs. What a run measures
comes from its worker alone (`core.store.writer`). Open one store per process and thread.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import time
from collections.abc import Collection, Sequence
from pathlib import Path, PurePath
from typing import Any

from core.commands import Command
from core.component import did_you_mean
from core.config import files
from core.config.run import RunConfig
from core.errors import UserError
from core.events import Event, Launched
from core.home import Home
from core.lock import FileLock
from core.state import UNDER_WAY, Phase
from core.store.jobs import Jobs
from core.store.readings import Readings
from core.store.records import Happened, read_state, write, write_state
from core.store.rows import JobRow, RunRow
from core.store.schema import transaction, translated
from core.store.spill import Spill

LOCK = "lock"
"""The file in a run's folder whose lock its worker holds."""

_RUN = (
    "SELECT id, name, created, tags, notes, deleted, method, model, data, phase, best_loss, first_loss, last_loss, "
    "seconds, config, state FROM runs"
)
_SEARCHED = "id || ' ' || name || ' ' || tags || ' ' || notes || ' ' || method || ' ' || model || ' ' || data"

_OF_RUNS = ("events", "points", "vectors", "samples", "checkpoints", "commands")
"""The tables that a run has rows in, beside its own."""


class Store(Readings):
    """The home's database, for those who look on."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.jobs = Jobs(self._database, home.database)
        self._version = -1
        self._wrote = True
        self._handed_out: dict[str, tuple[tuple[Any, ...], RunRow]] = {}
        for row in self._rows(f"SELECT id FROM runs WHERE phase IN ({_marks(UNDER_WAY)})", *UNDER_WAY):
            self.recover(row[0])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    # Runs

    def create_run(self, config: RunConfig, *, tags: Sequence[str] = ()) -> str:
        """Make a run, queued, with its folder and its `run.yaml`; returns its id (`20261122-221530-a1b2`).

        Raises:
            UserError: the folder or the row could not be written; nothing of the run is left then.
        """
        run, folder = self._new_folder()
        try:
            files.write(config, folder / "run.yaml")
            self._write(
                "INSERT INTO runs (id, name, created, config, tags, method, model, data, phase) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                run, config.name, time.time(), json.dumps(config.to_dict()), _words(tags),
                config.method_label, short_name(config.model.path), short_name(config.data.path), Phase.QUEUED,
            )  # fmt: skip
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise UserError(f"{folder} cannot be written: {error.strerror or error}.") from error
            raise
        return run

    def runs(
        self,
        *,
        search: str = "",
        deleted: bool = False,
        phases: Collection[Phase] = (),
        saved: bool = False,
        before: RunRow | None = None,
        most: int = -1,
    ) -> list[RunRow]:
        """All runs, newest first: those with every word of `search` in a name, tag or note; or those in the bin.

        Args:
            search, deleted: see above.
            phases: only runs in one of these; empty for all.
            saved: only runs that have a checkpoint.
            before: only older runs than this one, the last of the portion that was read before.
            most: only so many, the newest; below 0 for all.
        """
        words = [f"%{_escaped(word)}%" for word in search.split()]
        matches = f" AND {_SEARCHED} LIKE ? ESCAPE '\\'" * len(words)
        matches += f" AND phase IN ({_marks(phases)})" if phases else ""
        matches += " AND EXISTS (SELECT 1 FROM checkpoints WHERE run = runs.id)" if saved else ""
        matches += " AND (created, id) < (?, ?)" if before is not None else ""
        older = () if before is None else (before.created, before.id)
        query = f"{_RUN} WHERE deleted IS {'NOT ' if deleted else ''}NULL{matches} ORDER BY created DESC, id DESC"
        parent = self.home.bin if deleted else self.home.runs
        return [self._row(row, parent) for row in self._rows(f"{query} LIMIT ?", *words, *phases, *older, most)]

    def names(self) -> set[str]:
        """The names of all runs that are not in the bin."""
        return {row[0] for row in self._rows("SELECT name FROM runs WHERE deleted IS NULL")}

    def run(self, run: str) -> RunRow:
        """One run.

        Raises:
            UserError: there is none of this id.
        """
        rows = self._rows(f"{_RUN} WHERE id = ?", run)
        if not rows:
            recent = [row[0] for row in self._rows("SELECT id FROM runs ORDER BY created DESC LIMIT 5")]
            hint = did_you_mean(run, recent) if recent else "There are none yet."
            raise UserError(f"There is no run '{run}' in {self.home.root}.", hint=hint)
        return _run(rows[0], self.home.runs if rows[0][5] is None else self.home.bin)

    def rename(self, run: str, name: str) -> None:
        """Give a run another name."""
        self._write("UPDATE runs SET name = ? WHERE id = ?", name, run)

    def set_tags(self, run: str, tags: Sequence[str]) -> None:
        """Give a run these tags instead of the ones it has."""
        self._write("UPDATE runs SET tags = ? WHERE id = ?", _words(tags), run)

    def set_notes(self, run: str, notes: str) -> None:
        """Give a run these notes instead of the ones it has."""
        self._write("UPDATE runs SET notes = ? WHERE id = ?", notes, run)

    def delete(self, run: str) -> None:
        """Put a run into the bin, folder and all; `core.launch.discard` sees to it that nobody trains it.

        Raises:
            UserError: there is no such run, or its folder cannot be moved.
        """
        self.run(run)
        self._move(self.home.run(run), self.home.bin / run)
        self._write("UPDATE runs SET deleted = ? WHERE id = ?", time.time(), run)

    def restore(self, run: str) -> None:
        """Take a run out of the bin."""
        self._move(self.home.bin / run, self.home.run(run))
        self._write("UPDATE runs SET deleted = NULL WHERE id = ?", run)

    def bin(self) -> tuple[int, int]:
        """How many runs are in the bin, and the bytes that their folders take."""
        runs = self._rows("SELECT count(*) FROM runs WHERE deleted IS NOT NULL")[0][0]
        return runs, sum(path.stat().st_size for path in self.home.bin.rglob("*") if path.is_file())

    def empty_bin(self) -> int:
        """Remove the runs in the bin for good, folders and all they measured; returns how many.

        Raises:
            UserError: a folder cannot be removed; its run and those behind it stay in the bin.
        """
        runs = [row[0] for row in self._rows("SELECT id FROM runs WHERE deleted IS NOT NULL ORDER BY deleted")]
        for run in runs:
            self.remove(run)
        return len(runs)

    def remove(self, run: str) -> None:
        """Remove a run in the bin for good, folder and all it measured.

        Raises:
            UserError: its folder cannot be removed; it stays in the bin.
        """
        try:
            if (self.home.bin / run).exists():
                shutil.rmtree(self.home.bin / run)
        except OSError as error:
            raise UserError(
                f"{error.filename or self.home.bin / run} cannot be removed: {error.strerror or error}.",
                hint="Close programs that have files of it open, and try again.",
            ) from error
        with translated(self.home.database), transaction(self._database):
            for table in _OF_RUNS:
                self._database.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
            self._database.execute("DELETE FROM runs WHERE id = ?", (run,))
        self._wrote = True

    # The bus

    def changed(self) -> bool:
        """Whether anything was written since this was last asked, by anybody; costs microseconds."""
        version = self._rows("PRAGMA data_version")[0][0]
        changed = version != self._version or self._wrote
        self._version, self._wrote = version, False
        return changed

    def last_seq(self) -> int:
        """The number of the latest event of all runs."""
        latest: int = self._rows("SELECT coalesce(max(seq), 0) FROM events")[0][0]
        return latest

    def command(self, run: str, command: Command) -> None:
        """Ask something of a run's worker; it looks between two steps."""
        self._write("INSERT INTO commands (run, kind) VALUES (?, ?)", run, command)

    def launched(self, run: str) -> None:
        """Note that a worker is being started; what was asked of an earlier one no longer counts."""
        self._write("UPDATE commands SET taken = 1 WHERE run = ?", run)
        self.note(run, Launched())

    def note(self, run: str, event: Event) -> None:
        """Say something in a run's name, while it has no worker that could."""
        with translated(self.home.database), transaction(self._database):
            state = read_state(self._database, run)
            if state is not None:
                state = write(self._database, run, state, Happened(time.time(), event))
                write_state(self._database, run, state)
        self._wrote = True

    def recover(self, run: str) -> bool:
        """Take in what a worker that is gone had to leave in its spill file; returns whether there was anything."""
        folder = self.home.run(run)
        spill, lock = Spill(folder, run), FileLock(folder / LOCK)
        try:
            if not spill or not lock.acquire(patience=0.0):
                return False
            with transaction(self._database):
                state = read_state(self._database, run)
                if state is not None:
                    write_state(self._database, run, spill.take_in(self._database, state))
            spill.clear()
        except (sqlite3.Error, OSError, UserError):
            return False  # The trouble that made the worker spill may still be there; the file waits.
        finally:
            lock.release()
        self._wrote = True
        return True

    # Jobs

    def ask(self, kind: str, body: dict[str, Any]) -> int:
        """Queue a job for the warm worker (`core.launch.ensure_service` starts one); returns its number."""
        self._wrote = True
        return self.jobs.ask(kind, body)

    def job(self, job: int) -> JobRow:
        """A job as it stands."""
        return self.jobs.row(job)

    def answer(self, kind: str, body: dict[str, Any]) -> JobRow | None:
        """What was found when just this was asked before: answers stay as long as the home does."""
        return self.jobs.answer(kind, body)

    def cancel(self, job: int) -> None:
        """Ask for a job's end."""
        self._wrote = True
        self.jobs.cancel(job)

    def _row(self, row: tuple[Any, ...], parent: Path) -> RunRow:
        """A row as it was handed out before, with all that was worked out of its texts, where nothing in it is new."""
        before = self._handed_out.get(row[0])
        if before is None or before[0] != row:
            before = self._handed_out[row[0]] = row, _run(row, parent)
        return before[1]

    def _write(self, query: str, *values: Any) -> None:
        self._rows(query, *values)
        self._wrote = True

    def _new_folder(self) -> tuple[str, Path]:
        """An id that no run has, and its folder, made."""
        while True:
            run = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
            folder = self.home.run(run)
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise UserError(f"{folder} cannot be made: {error.strerror or error}.") from error
            return run, folder

    def _move(self, source: Path, target: Path) -> None:
        """Move a run's folder; one that is already there has been moved before a crash could note it."""
        try:
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)
        except OSError as error:
            raise UserError(
                f"{source} cannot be moved to {target}: {error.strerror or error}.",
                hint="Close programs that have files of it open, and try again.",
            ) from error


def short_name(path: str) -> str:
    """What people call a model or a data file: `org/name` for a snapshot in the hub cache, else the last part."""
    parts = PurePath(path).parts
    for part in parts:
        if part.startswith("models--") and "snapshots" in parts:
            return part.removeprefix("models--").replace("--", "/")
    return parts[-1] if parts else ""


def _run(row: tuple[Any, ...], parent: Path) -> RunRow:
    run, name, created, tags, notes, deleted, method, model, data, phase, *rest = row
    words = tuple(json.loads(tags)) if tags != "[]" else ()
    return RunRow(
        run, name, created, parent, words, notes, deleted, method, model, data, Phase(phase), *rest
    )  # fmt: skip


def _words(tags: Sequence[str]) -> str:
    """Tags as the table holds them: letter by letter, so that a search finds them."""
    return json.dumps(list(tags), ensure_ascii=False)


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _marks(values: Any) -> str:
    return ", ".join("?" for _ in values)
