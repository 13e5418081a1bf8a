"""What a worker has to write, as values: they wait in memory, go into the database, or through a file and then into it.

`write` is the one place that knows what each of them does to the tables and to the run's state, so that what came by
way of a spill file ends up exactly as if it had come straight.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from core.events import CheckpointSaved, Evaluated, Event, Rewound, Sampled, decode
from core.state import RunState


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, and when (seconds since 1970)."""

    time: float
    event: Event


@dataclass(frozen=True, slots=True)
class Measured:
    """Scalars of a step, by curve key."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """One number per adapted layer: little-endian float32."""

    step: int
    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Adapted:
    """The adapted layers, as the JSON text that the table holds."""

    layers: str


@dataclass(frozen=True, slots=True)
class WentBack:
    """A resumed run goes on from a step: what was measured later goes."""

    time: float
    step: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Commands up to this number have been handed to the trainer."""

    seq: int


Record: TypeAlias = Happened | Measured | Spread | Adapted | WentBack | Taken


def write(database: sqlite3.Connection, run: str, state: RunState, record: Record) -> RunState:
    """Put a record into the tables, inside the caller's transaction; returns the run's state after it."""
    match record:
        case Happened(time, event):
            return _event(database, run, state, time, event)
        case Measured(step, values):
            rows = [(run, key, step, value) for key, value in values.items()]
            database.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", rows)
            return state.measured(step, values)
        case Spread(step, key, data):
            database.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", (run, key, step, data))
        case Adapted(layers):
            database.execute("UPDATE runs SET layers = ? WHERE id = ?", (layers, run))
        case WentBack(time, step):
            return _back(database, run, state, time, step)
        case Taken(seq):
            database.execute("UPDATE commands SET taken = 1 WHERE run = ? AND seq <= ?", (run, seq))
    return state


def write_state(database: sqlite3.Connection, run: str, state: RunState) -> None:
    """Put the run's summary beside it, for the list of runs."""
    database.execute(
        "UPDATE runs SET phase = ?, state = ?, best_loss = ?, first_loss = ?, last_loss = ?, seconds = ? WHERE id = ?",
        (state.phase, state.to_json(), state.best, state.first_loss, state.last_loss, state.seconds, run),
    )


def read_state(database: sqlite3.Connection, run: str) -> RunState | None:
    """The summary beside the run; None where there is no such run."""
    row = database.execute("SELECT state FROM runs WHERE id = ?", (run,)).fetchone()
    return None if row is None else RunState.from_json(row[0])


def to_line(record: Record) -> str:
    """A record as one line of a spill file, without the newline."""
    match record:
        case Happened(time, event):
            body: list[Any] = [time, event.kind, event.encode()]
        case Spread(step, key, data):
            body = [step, key, base64.b64encode(data).decode("ascii")]
        case Measured(step, values):
            body = [step, values]
        case Adapted(layers):
            body = [layers]
        case WentBack(time, step):
            body = [time, step]
        case Taken(seq):
            body = [seq]
    return json.dumps([type(record).__name__, *body])


def from_line(line: str) -> Record:
    """The inverse of `to_line`."""
    kind, *body = json.loads(line)
    return _READERS[kind](*body)


_READERS: dict[str, Callable[..., Record]] = {
    "Happened": lambda time, kind, body: Happened(time, decode(kind, body)),
    "Measured": Measured,
    "Spread": lambda step, key, data: Spread(step, key, base64.b64decode(data)),
    "Adapted": Adapted,
    "WentBack": WentBack,
    "Taken": Taken,
}


def _event(database: sqlite3.Connection, run: str, state: RunState, time: float, event: Event) -> RunState:
    database.execute(
        "INSERT INTO events (run, time, kind, body) VALUES (?, ?, ?, ?)",
        (run, time, event.kind, json.dumps(event.encode())),
    )
    match event:
        case Evaluated(step, loss, _):
            database.execute("INSERT OR REPLACE INTO points VALUES (?, 'held_out', ?, ?)", (run, step, loss))
        case Sampled(step, prompt, text):
            database.execute("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)", (run, step, prompt, text))
        case CheckpointSaved(step, folder, best):
            if best:
                database.execute("UPDATE checkpoints SET best = 0 WHERE run = ?", (run,))
            database.execute(
                "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?)", (run, step, folder, int(best), time)
            )
    return state.after(event)


def _back(database: sqlite3.Connection, run: str, state: RunState, time: float, step: int) -> RunState:
    for table in ("vectors", "samples", "checkpoints"):
        database.execute(f"DELETE FROM {table} WHERE run = ? AND step > ?", (run, step))
    # The steps of a probe, which comes before the run's first, are not the run's.
    database.execute("DELETE FROM points WHERE run = ? AND step > ? AND key NOT LIKE 'probe%'", (run, step))
    held_out = "SELECT min(value) FROM points WHERE run = ? AND key = 'held_out'"
    best = database.execute(held_out, (run,)).fetchone()[0]
    last = "SELECT value FROM points WHERE run = ? AND key = 'loss' ORDER BY step DESC LIMIT 1"
    loss = database.execute(last, (run,)).fetchone()
    state = _event(database, run, state, time, Rewound(step, best))
    return replace(state, last_loss=loss[0] if loss else None)
