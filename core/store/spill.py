"""Where a worker puts what the database does not take: `events.jsonl` in the run's folder.

A line is a record, or the token (a JSON string) that heads the records of one `append`. Taking the file in is one
transaction that also notes the last token beside the run. So what was taken in before a crash could remove the file is
never taken in twice, and what was not is still there.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import FileIO
from itertools import dropwhile
from pathlib import Path

from core.state import RunState
from core.store.records import Record, from_line, to_line, write

RESERVE = 2**20
"""Bytes of a worker's reserve: enough for its last words, and for what was measured in some hundred steps."""


class Spill:
    """The spill file of one run; used by its worker, and by the store once the worker is gone."""

    def __init__(self, folder: Path, run: str) -> None:
        self.path = folder / "events.jsonl"
        self._reserve = folder / "reserve"
        self.run = run

    def reserve(self) -> None:
        """Take up the room that the last words of a run will need, if there is any."""
        with suppress(OSError):
            self._reserve.write_bytes(secrets.token_bytes(RESERVE))

    def release(self) -> None:
        """Give the reserved room back."""
        with suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    def __bool__(self) -> bool:
        """Whether there is such a file."""
        return self.path.exists()

    def append(self, records: Sequence[Record]) -> None:
        """Write records behind those that are there, all or none of them.

        Raises:
            OSError: they could not be written, and the file is as it was.
        """
        lines = [json.dumps(secrets.token_hex(8)), *map(to_line, records)]
        with self.path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                # The leading newline ends a line that a crash may have torn.
                _write_whole(file, ("\n" + "\n".join(lines) + "\n").encode("ascii"))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise

    def take_in(self, database: sqlite3.Connection, state: RunState) -> RunState:
        """Put what is in the file into the tables, inside the caller's transaction; returns the run's state after it.

        Call `clear` once the transaction is committed. A line that a crash tore, or a newer program wrote, is left out.
        """
        tokens = [line for line in self._lines() if line.startswith('"')]
        known = json.dumps(database.execute("SELECT replayed FROM runs WHERE id = ?", (self.run,)).fetchone()[0])
        fresh = tokens[tokens.index(known) + 1 :] if known in tokens else tokens
        if not fresh:
            return state
        for line in dropwhile(lambda line: line != fresh[0], self._lines()):
            record = _record(line)
            if record is not None:
                state = write(database, self.run, state, record)
        database.execute("UPDATE runs SET replayed = ? WHERE id = ?", (json.loads(fresh[-1]), self.run))
        return state

    def _lines(self) -> Iterator[str]:
        """The file line by line, however long it has grown."""
        with self.path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            yield from (line.removesuffix("\n") for line in file)

    def clear(self) -> None:
        """Remove the file; where that fails, its last token keeps it from counting again."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _record(line: str) -> Record | None:
    """The record of a line; None for a token, an empty line, one that a crash tore, or one of a newer program."""
    try:
        return from_line(line) if line.startswith("[") else None
    except (ValueError, LookupError, TypeError):
        return None


def _write_whole(file: FileIO, data: bytes) -> None:
    """A raw write may take less than all of it: the last bytes before a disk is full, for one."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
