"""The worker's sink: what the training says, in the database within a quarter of a second, and never in its way.

The trainer's calls only put values on a list; a thread commits what has gathered after 250 ms or 64 records, events at
once. So neither a slow disk nor another process's lock costs the training a step.

What the database does not take (it is locked, the disk is full) goes into the run's spill file, or stays in memory
where not even that can be written, and is tried again at growing intervals. The trouble is said on the worker's log at
once, and as a notice once it is over. A spill file that is still there when the worker ends is taken in by whoever
opens the run next.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.commands import Command
from core.errors import UserError
from core.events import Event, Noticed
from core.home import Home
from core.layers import LayerInfo
from core.store import records
from core.store.records import Record
from core.store.schema import connect, transaction, translated
from core.store.spill import Spill

PAUSE = 0.25
"""Seconds in which records gather before they are committed."""
BATCH = 64
"""Records that are committed without waiting for more."""
PATIENCE = 2.0
"""Seconds that the thread waits for another process's lock."""
LONGEST_PAUSE = 30.0
"""Most seconds between two attempts while the database cannot be written."""
FAREWELL = 10.0
"""Seconds that `close` goes on trying to save what is in memory alone."""
ROOM = 256 * 2**20
"""Bytes of per-layer measurements kept in memory while neither database nor spill file can be written."""

_COMMANDS = {command.value: command for command in Command}
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Trouble:
    """Since when and why nothing can be written, and how long to wait before the next attempt."""

    since: float
    reason: str
    pause: float = 1.0
    thinned: bool = False

    def text(self) -> str:
        """What the user is told once it is over."""
        seconds = max(1, round(time.monotonic() - self.since))
        kept = "some measurements of layers had to be left out" if self.thinned else "nothing was lost"
        return f"The database could not be written for {seconds} s ({self.reason}); {kept}."


def leave_word(home: Home, run_id: str, event: Event) -> None:
    """Say something of a run whose database cannot even be opened: it counts once somebody can open it."""
    try:
        Spill(home.run(run_id), run_id).append([records.Happened(time.time(), event)])
    except OSError as error:
        _log.warning("%s cannot be written to: %s", home.run(run_id), error)


class Writer:
    """A `core.sink.Sink` that writes one run into the home's database. One per run, held by its worker.

    Args:
        home: whose database.
        run_id: a run that `Store.create_run` made.

    Raises:
        UserError: there is no such run, or the database cannot be opened.
    """

    def __init__(self, home: Home, run_id: str) -> None:
        self.run = run_id
        self._spill = Spill(home.run(run_id), run_id)
        self._database = connect(home, any_thread=True, patience=PATIENCE)
        with translated(home.database):
            state = records.read_state(self._database, run_id)
        if state is None:
            self._database.close()
            raise UserError(f"There is no run '{run_id}' in {home.root}.")
        self._asking = connect(home, any_thread=True, patience=PATIENCE)
        self._state = state
        self._last_command = 0
        self._fresh: list[Record] = []
        self._kept: list[Record] = []
        self._trouble: _Trouble | None = None
        self._turn = threading.Condition()
        self._asked = self._answered = 0
        self._hasty = self._closing = self._ended = False
        self._spill.reserve()
        self._thread = threading.Thread(target=self._work, name=f"writer of {run_id}", daemon=True)
        self._thread.start()
        self.flush()

    def event(self, event: Event) -> None:
        """Something happened; it is written at once.

        `Evaluated` is also a point of the curve "held_out", `Sampled` a sample, `CheckpointSaved` a checkpoint.
        """
        self._put(records.Happened(time.time(), event), hasty=True)

    def points(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars measured at a step, by curve key; a step that comes again replaces what it said before."""
        self._put(records.Measured(int(step), {key: float(value) for key, value in values.items()}))

    def vector(self, step: int, key: str, values: NDArray[Any]) -> None:
        """One number per adapted layer, (layers,), in the order of `layers`; kept as float32."""
        self._put(records.Spread(int(step), key, np.ascontiguousarray(values, dtype="<f4").tobytes()))

    def layers(self, layers: Sequence[LayerInfo]) -> None:
        """The adapted layers, in the order of every vector."""
        self._put(records.Adapted(json.dumps([layer.to_dict() for layer in layers])))

    def commands(self) -> list[Command]:
        """What has been asked since the last call, oldest first; each is handed out once. Costs microseconds.

        What the window of a newer program asks, and this one does not know, is left out.
        """
        query = "SELECT seq, kind FROM commands WHERE run = ? AND NOT taken AND seq > ? ORDER BY seq"
        try:
            rows = self._asking.execute(query, (self.run, self._last_command)).fetchall()
        except sqlite3.Error:
            return []  # They are still there at the next step.
        if rows:
            self._last_command = rows[-1][0]
            self._put(records.Taken(self._last_command), hasty=True)
        return [_COMMANDS[kind] for _, kind in rows if kind in _COMMANDS]

    def rewind(self, step: int) -> None:
        """Forget what was measured after `step`, from which a resumed run goes on, and say `Rewound`."""
        self._put(records.WentBack(time.time(), int(step)))
        self.flush()

    def flush(self) -> None:
        """Return once everything so far is written, or is known not to be writable for now."""
        with self._turn:
            self._asked += 1
            mine = self._asked
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._answered >= mine or self._ended)
            if self._answered < mine:
                raise RuntimeError("The writer has ended; where it was not closed, its traceback is above.")

    def close(self) -> None:
        """Flush and let go; nothing may be said afterwards."""
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        self._thread.join()
        self._database.close()
        self._asking.close()

    def _put(self, record: Record, *, hasty: bool = False) -> None:
        with self._turn:
            if self._closing:
                raise RuntimeError("The writer is closed.")
            self._fresh.append(record)
            self._hasty = self._hasty or hasty
            if hasty or len(self._fresh) in (1, BATCH):
                self._turn.notify_all()

    # The thread

    def _work(self) -> None:
        try:
            while self._round():
                pass
        finally:
            with self._turn:
                self._ended = True
                self._turn.notify_all()

    def _round(self) -> bool:
        """Wait for records to gather and write them once; returns whether to go on."""
        with self._turn:
            self._turn.wait_for(self._has_work)
            self._turn.wait_for(self._is_due, timeout=self._trouble.pause if self._trouble else PAUSE)
            self._kept += self._fresh
            self._fresh = []
            asked, closing, self._hasty = self._asked, self._closing, False
        self._commit()
        if closing:
            self._say_farewell()
        with self._turn:
            self._answered = asked
            self._turn.notify_all()
        return not closing

    def _has_work(self) -> bool:
        waiting = self._fresh or self._kept or self._trouble
        return bool(waiting) or self._asked > self._answered or self._closing

    def _is_due(self) -> bool:
        if self._asked > self._answered or self._closing:
            return True
        return not self._trouble and (self._hasty or len(self._fresh) >= BATCH)

    def _commit(self) -> None:
        """Write what is spilled and what is kept, in this order and in one transaction; or keep it."""
        spilled = bool(self._spill)
        if not self._kept and not spilled:
            return
        try:
            with transaction(self._database):
                state = self._spill.take_in(self._database, self._state) if spilled else self._state
                for record in self._kept:
                    state = records.write(self._database, self.run, state, record)
                records.write_state(self._database, self.run, state)
        except (sqlite3.Error, OSError) as error:
            self._keep(str(error))
        else:
            self._state = state
            self._kept.clear()
            if spilled:
                self._spill.clear()
            self._recover()

    def _keep(self, reason: str) -> None:
        """The database did not take it: say so once, put it into the spill file if that can be written."""
        if self._trouble is None:
            self._trouble = _Trouble(time.monotonic(), reason)
            _log.warning("The database cannot be written (%s). The training goes on and everything is kept.", reason)
        else:
            self._trouble.pause = min(2 * self._trouble.pause, LONGEST_PAUSE)
        try:
            if self._kept:
                self._spill.append(self._kept)
            self._kept.clear()
        except OSError as error:
            _log.warning("%s cannot be written either (%s): keeping it in memory.", self._spill.path, error)
            self._thin(self._trouble)

    def _thin(self, trouble: _Trouble) -> None:
        """Where memory grows too full, leave out the per-layer measurements of every second step that is in it.

        The newest step stays, because the rest of it may be still to come: a step is kept whole or not at all.
        """
        if sum(len(record.data) for record in self._kept if isinstance(record, records.Spread)) <= ROOM:
            return
        steps = sorted({record.step for record in self._kept if isinstance(record, records.Spread)})
        gone = set(steps[1:-1:2])
        self._kept = [r for r in self._kept if not (isinstance(r, records.Spread) and r.step in gone)]
        trouble.thinned = True

    def _recover(self) -> None:
        """It was written: tell of the trouble before, if there was any."""
        if self._trouble is None:
            return
        notice = records.Happened(time.time(), Noticed(self._trouble.text()))
        _log.warning(self._trouble.text())
        self._trouble = None
        with self._turn:
            self._fresh.append(notice)
            self._hasty = True

    def _say_farewell(self) -> None:
        """Before the end, go on for a while with what is in memory alone, and with the notice of a late success."""
        end = time.monotonic() + FAREWELL
        while self._kept and time.monotonic() < end:
            time.sleep(0.2)
            self._commit()
        if self._fresh:
            self._kept, self._fresh = self._fresh, []
            self._commit()
        self._spill.release()
        if self._kept:
            self._use_reserve()

    def _use_reserve(self) -> None:
        """The disk stays full: of the room just given back, use what there is for everything, or at least for events,
        so that whoever opens the run next hears how it ended."""
        events = [record for record in self._kept if isinstance(record, records.Happened)]
        for some in (self._kept, events):
            try:
                self._spill.append(some)
            except OSError:
                continue
            lost = len(self._kept) - len(some)
            _log.warning(
                "The end of the run is in %s until there is room; %d measurements are lost.", self._spill.path, lost
            )
            return
        _log.error("%d records could not be saved and are lost.", len(self._kept))
