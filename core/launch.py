"""Starting, seeing and ending worker processes that outlive whoever started them.

A worker is a session (a process group on Windows) of its own, with nothing on its input and its output in a file: no
window that closes or crashes can take it down. It is alive while it holds the lock on `runs/<id>/lock`, which the
system frees however it ends; in the moment before it has taken it, the process that was started answers for it. So a
worker that dies at once is seen, and a run never stays "starting".

Which process it is stands in `runs/<id>/process.json`, with the time at which that process began, so that a process
that was given the same number later is never ended by mistake.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from core.atomic import write_text
from core.errors import UserError
from core.events import RunFailed
from core.home import Home
from core.lock import FileLock, held
from core.state import Status, status
from core.store.rows import RunRow
from core.store.store import LOCK, Store

OFFLINE: Mapping[str, str] = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
"""The environment of every worker: set before anything is imported, because libraries look once."""

_YIELDING: Mapping[str, str] = {"OMP_WAIT_POLICY": "passive"}
"""How torch's threads wait for one another: asleep, not spinning. Where another program has one of the processor's
cores, threads that spin take the others from the very thread they wait for, and a step becomes 25 times slower (300 ms
to 8 s, measured on four busy cores). The user's own setting wins."""

LOST = (
    "The worker ended without saying why. Where its log does not say so either, it was killed, as systems do when "
    "memory runs out, or the machine went down."
)
"""What is said of a run that is "lost"."""

SERVICE_LOCK, LAUNCHING_LOCK = "service.lock", "launching.lock"
LOG = "worker.log"
_LAST_WORDS = 4000
"""Bytes of the log that are shown where a run has failed."""

_PROGRAM = Path(__file__).resolve().parent.parent / "main.py"
_RECORD = "process.json"
_GRACE = 30.0
"""Seconds that a launch may take between its note and its process; a launcher that was killed there leaves the note."""
_SAME = 2.0
"""Seconds by which two readings of the moment at which a process began may differ, as clocks are set."""

_services: dict[Path, subprocess.Popen[bytes]] = {}


class RunLock:
    """What makes a process the worker of a run, for as long as the block lasts.

    Raises:
        UserError: on entering, where another process has it, or the folder may not be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / LOCK)

    def __enter__(self) -> RunLock:
        """Take the lock and note which process has it."""
        if not self._lock.acquire():
            raise UserError(f"The run in {self.folder} is being trained by another process.", hint="Stop that first.")
        me = psutil.Process()
        try:
            _note(self.folder, me.pid, me.create_time(), worker=True)
        except OSError as error:
            self._lock.release()
            raise UserError(f"{self.folder} cannot be written to: {error.strerror or error}.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        self._lock.release()


def launch(
    home: Home, run_id: str, *, resume: bool = False, queued: bool = False, command: Sequence[str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a run's worker.

    Args:
        home: where the run is.
        run_id: which.
        resume: whether to go on from the latest checkpoint.
        queued: whether it is only to be started if it waits in the queue.
        command: the program to start instead of this one's worker.

    Returns:
        the process, which need not be kept: it goes on by itself.

    Raises:
        UserError: there is no such run, it is in the bin or being trained or has left the queue, or no process can be
            started.
    """
    # In turn, so that of two windows that start a run at one moment the second sees the note of the first.
    with closing(Store(home)) as store, FileLock(home.root / LAUNCHING_LOCK):
        row = store.run(run_id)
        _check(row)
        if queued and not row.state.waiting:
            raise UserError(f"'{row.name}' has left the queue.")
        words = command or _words("worker", run_id, home, *(["--resume"] if resume else []))
        child = _begin(store, row, words)
    _introduce(row.folder, child.pid)
    return child


def alive(folder: Path) -> bool:
    """Whether the run in this folder has a worker, or one is on its way; asking disturbs nobody."""
    if held(folder / LOCK):
        return True
    record = _read(folder)
    if record is None or record["worker"]:
        return False
    if record["pid"] == 0:
        return abs(time.time() - float(record["created"])) < _GRACE
    return _process(record) is not None


def discard(store: Store, run_id: str) -> None:
    """Put a run into the bin.

    Raises:
        UserError: it has a worker, or one is on its way, which holds no lock yet; or its folder cannot be moved.
    """
    with FileLock(store.home.root / LAUNCHING_LOCK):
        row = store.run(run_id)
        if alive(row.folder):
            raise UserError(f"'{row.name}' is being trained.", hint="Stop it first.")
        store.delete(run_id)


def observe(store: Store, row: RunRow) -> tuple[RunRow, Status]:
    """What to show for a run, and the row that goes with it.

    A worker says its last word before it lets go of the lock. So where it has gone, the row is read again: only then
    is "running" a loss, and not just old. What it had to leave in its spill file counts too.
    """
    if not row.under_way:
        return row, status(row.state, False)
    living = alive(row.folder)
    if not living:
        store.recover(row.id)
        row = store.run(row.id)
    return row, status(row.state, living)


def last_words(folder: Path) -> str:
    """The end of what the workers of a run printed; empty where there is nothing that can be read."""
    try:
        with (folder / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST_WORDS))
            return log.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def terminate(folder: Path) -> bool:
    """Ask a run's worker to end (on Windows: end it); returns whether there was one.

    The kind way is `Command.STOP`, which saves a checkpoint first; this is for one that no longer listens.
    """
    process = _worker(folder)
    if process is not None:
        _end(process.terminate)
    return process is not None


def kill(folder: Path) -> bool:
    """End a run's worker at once; returns whether there was one."""
    process = _worker(folder)
    if process is not None:
        _end(process.kill)
    return process is not None


def ensure_service(home: Home, *, command: Sequence[str] | None = None) -> None:
    """See to it that the home has its warm worker (`core.service`), which ends after this process has.

    Cheap enough to be called for as long as one waits for a job, and to be called so: a service that breaks is
    replaced, and says of the job it was at that it failed.

    Raises:
        UserError: no process can be started.
    """
    known = _services.get(home.root)
    if (known is not None and known.poll() is None) or held(home.root / SERVICE_LOCK):
        return
    words = command or _words("service", "--parent", str(os.getpid()), home)
    try:
        _services[home.root] = _start(words, home.root / "service.log")
    except OSError as error:
        raise UserError(f"The background worker could not be started: {error.strerror or error}.") from error


def start_detached(mode: str, home: Home, log: Path) -> None:
    """Start this program in a mode of it, as a process that outlives this one; what it prints is appended to `log`.

    Raises:
        OSError: no process can be started.
    """
    _start(_words(mode, home), log)


def _begin(store: Store, row: RunRow, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a worker, and say so beforehand; where it cannot be started, nothing says that one is on its way."""
    try:
        _note(row.folder, 0, time.time(), worker=False)
        store.launched(row.id)
        return _start(words, row.folder / LOG)
    except UserError:
        (row.folder / _RECORD).unlink(missing_ok=True)
        raise
    except OSError as error:
        (row.folder / _RECORD).unlink(missing_ok=True)
        text = f"The worker could not be started: {error.strerror or error}."
        store.note(row.id, RunFailed(row.state.step, text))
        raise UserError(text) from error


def _check(row: RunRow) -> None:
    if row.deleted is not None:
        raise UserError(f"'{row.name}' is in the bin.", hint="Restore it first.")
    if alive(row.folder):
        raise UserError(f"'{row.name}' is being trained already.", hint="Stop it first, or watch it.")


def _words(mode: str, *words: str | Home) -> list[str]:
    """This program's command line for a mode."""
    given = [part for word in words for part in (["--home", str(word.root)] if isinstance(word, Home) else [word])]
    return [sys.executable, str(_PROGRAM), mode, *given]


def _start(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that does not depend on this one; what it prints is appended to `log`.

    A thread waits for its end, so that the system need not keep what is left of it; the thread holds nobody up.
    """
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    environment = {**_YIELDING, **os.environ, **OFFLINE, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(words), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, **detached
        )
    threading.Thread(target=child.wait, name=f"end of {child.pid}", daemon=True).start()
    return child


def _note(folder: Path, pid: int, created: float, *, worker: bool) -> None:
    write_text(folder / _RECORD, json.dumps({"pid": pid, "created": created, "worker": worker}))


def _introduce(folder: Path, pid: int) -> None:
    """Note which process a launch became, unless the worker has said so itself."""
    record = _read(folder)
    if record is not None and not record["worker"]:
        try:
            _note(folder, pid, psutil.Process(pid).create_time(), worker=False)
        except psutil.NoSuchProcess:
            (folder / _RECORD).unlink(missing_ok=True)
        except OSError:
            pass  # The disk may be full by now; the worker is on its way, and its own note counts.


def _read(folder: Path) -> dict[str, Any] | None:
    """The note of a run's process; None where there is none that can be read."""
    try:
        record: dict[str, Any] = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record


def _process(record: dict[str, Any]) -> psutil.Process | None:
    """The process of a note, if it is still the same one and has not ended."""
    try:
        process = psutil.Process(record["pid"])
        same = abs(process.create_time() - record["created"]) < _SAME
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _worker(folder: Path) -> psutil.Process | None:
    record = _read(folder)
    return _process(record) if record and record["pid"] and alive(folder) else None


def _end(action: Callable[[], None]) -> None:
    """Do it to a process that may have ended by itself meanwhile."""
    try:
        action()
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied as error:
        raise UserError(f"The worker (process {error.pid}) may not be ended: it belongs to another user.") from error
