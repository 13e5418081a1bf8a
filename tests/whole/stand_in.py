"""A worker without a model: `python stand_in.py MODE RUN HOME`, for tests of everything around a training.

train   lock, begin, then a step every 5 ms until it is asked to stop
finish  lock, begin, finish
die     end before anything was said
early   lock, then end before anything was said
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from core.commands import Command
from core.events import RunFinished, RunStarted, RunStopped
from core.home import Home
from core.launch import RunLock, alive
from core.store.writer import Writer


def main(mode: str, run: str, home: Home) -> None:
    """Do what the mode says."""
    if mode == "die":
        os._exit(3)
    with RunLock(home.run(run)):
        if mode == "early":
            os._exit(3)
        writer = Writer(home, run)
        writer.event(RunStarted(0, 1000, "cpu", "float32", 1, 1, 1, 0, dict(os.environ)))
        if mode == "finish":
            writer.event(RunFinished(1000))
        else:
            writer.event(RunStopped(train(home.run(run), writer)))
        writer.close()


def train(folder: Path, writer: Writer) -> int:
    """Steps until it is stopped; returns the last one. Asking whether it is alive must not cost it its lock."""
    step = 0
    while Command.STOP not in writer.commands():
        step += 1
        writer.points(step, {"loss": 1 / step})
        assert alive(folder)
        time.sleep(0.005)
    return step


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Home(Path(sys.argv[3])))
