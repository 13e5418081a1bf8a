"""`train` and `resume` in processes of their own: followed to the end, stopped, failed, lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.config import files
from core.config.forecast import PROCESS
from core.home import Home
from core.launch import kill
from core.store.store import Store
from tests.waiting import wait_until
from tests.whole.small_runs import small_config

MAIN = Path(__file__).resolve().parents[2] / "main.py"
ENDLESS = {"steps": 100_000, "checkpoint_every": 2, "evaluate_every": 0}
pytestmark = pytest.mark.skipif(os.name == "nt", reason="a signal for one process is not to be had on Windows")


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """The store of the test's home; whatever still runs in it is ended afterwards."""
    store = Store(home)
    yield store
    for row in store.runs():
        kill(row.folder)
    store.close()


def command(*words: str | Path) -> subprocess.Popen[str]:
    """Start the command line with `--json`."""
    return subprocess.Popen(
        [sys.executable, str(MAIN), *map(str, words), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, Any, str]:
    """Wait for its end: exit status, document, stderr."""
    out, err = process.communicate(timeout=300)
    return process.returncode, json.loads(out), err


def run_file(folder: Path, **parts: dict[str, Any]) -> Path:
    """A run file for a small run."""
    files.write(small_config(folder, **parts), folder / "run.yaml")
    return folder / "run.yaml"


def only_run(store: Store) -> str:
    """The id of the one run there is, once it has made a step."""
    wait_until(lambda: any(row.state.step > 2 for row in store.runs()))
    return store.runs()[0].id


def test_train_follows_a_run_to_its_end_and_reports(store: Store, tmp_path: Path) -> None:
    checked = command("check", run_file(tmp_path))
    code, found, err = ended(command("train", run_file(tmp_path)))
    assert code == 0, err
    assert found["status"] == "finished" and found["steps"] == 6
    assert found["first_loss"] > 0 and found["last_loss"] > 0 and found["held_out"] > 0
    assert found["trainable_parameters"] == 4096
    assert found["tokens_per_second"] > 0 and found["peak_memory"] > 0
    assert Path(found["folder"]) == store.home.run(found["run"])
    assert "step 6: checkpoint saved" in err
    expected = ended(checked)[1]["memory"]
    assert store.run(found["run"]).state.forecast == expected["total"] > expected["process"] == PROCESS


def test_ctrl_c_stops_with_a_checkpoint_and_resume_goes_on_from_it(store: Store, tmp_path: Path) -> None:
    process = command("train", run_file(tmp_path, train=ENDLESS))
    run = only_run(store)
    process.send_signal(signal.SIGINT)
    code, found, err = ended(process)
    assert (code, found["status"]) == (0, "stopped"), err
    assert store.checkpoints(run)[-1].step == found["steps"]
    again = command("resume", run)
    wait_until(lambda: store.run(run).state.step > found["steps"])
    again.send_signal(signal.SIGINT)
    code, later, err = ended(again)
    assert code == 0 and later["steps"] > found["steps"], err
    assert "Traceback" not in err


def test_ctrl_c_twice_leaves_the_run_alone(store: Store, tmp_path: Path) -> None:
    process = command("train", run_file(tmp_path, train={**ENDLESS, "batch": 24, "accumulate": 400}))
    wait_until(lambda: any(row.state.phase == "running" for row in store.runs()))
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Stopping"):
            break
    process.send_signal(signal.SIGINT)
    code, found, err = ended(process)
    assert (code, found["status"]) == (0, "running"), err
    assert "goes on without you" in err


def test_a_worker_that_is_killed_is_reported_as_lost(store: Store, tmp_path: Path) -> None:
    process = command("train", run_file(tmp_path, train=ENDLESS))
    run = only_run(store)
    kill(store.home.run(run))
    code, found, err = ended(process)
    assert (code, found["status"]) == (1, "lost")
    assert f"resume {run}" in found["error"]["hint"] and "Traceback" not in err


def test_a_failure_of_the_world_in_the_worker_is_status_2(store: Store, tmp_path: Path) -> None:
    path = run_file(tmp_path, train={"device": "cuda"})
    code, found, err = ended(command("train", path))
    assert (code, found["status"]) == (2, "failed")
    assert "CUDA" in found["error"]["text"] and "Traceback" not in err
