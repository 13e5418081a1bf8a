"""The lock between processes: exclusive, freed by the system however its holder ends, and not disturbed by asking."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core import lock as locking
from core.errors import UserError
from core.lock import FileLock, held

HOLD = """
import sys
from pathlib import Path
from core.lock import FileLock, held
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(patience=0.0), flush=True)
for line in sys.stdin:
    print(held(Path(sys.argv[1])), flush=True)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, and that looks whether it is held at every line it is sent."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout and process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_a_lock_is_exclusive_between_processes(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert held(tmp_path / "lock")
    assert not FileLock(tmp_path / "lock").acquire(patience=0.0)


def test_a_killed_holder_frees_the_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()

    assert not held(tmp_path / "lock")
    with FileLock(tmp_path / "lock"):
        assert held(tmp_path / "lock")


def test_the_holder_may_ask_without_losing_the_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert holder.stdin and holder.stdout
    holder.stdin.write("?\n")
    holder.stdin.flush()

    assert holder.stdout.readline() == "True\n"
    assert held(tmp_path / "lock")


def test_a_lock_is_exclusive_within_a_process(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")

    assert first.acquire() and not second.acquire(patience=0.0)
    first.release()
    assert second.acquire(patience=0.0)
    second.release()


def test_a_file_that_is_not_there_is_not_held(tmp_path: Path) -> None:
    assert not held(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_of_two_threads_that_ask_at_one_moment_one_is_given_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, opened = threading.Barrier(2), os.open

    def open_together(*given: Any) -> int:
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.2)
        return opened(*given)

    monkeypatch.setattr(os, "open", open_together)
    locks = [FileLock(tmp_path / "lock") for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        given = list(threads.map(lambda lock: lock.acquire(patience=0.0), locks))

    assert sorted(given) == [False, True]
    for lock in locks:
        lock.release()


def test_a_lock_in_a_folder_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone cannot be written to"):
        FileLock(tmp_path / "gone" / "lock").acquire()


def test_a_file_system_without_locks_is_said_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_handle: int, *, shared: bool) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking, "_lock", refused)
    with pytest.raises(UserError, match="cannot be locked: No locks available"):
        FileLock(tmp_path / "lock").acquire()
    assert not held(tmp_path / "lock")
