"""How smooth the window is while a run streams: the longest time in which it does not answer.

    python -m tests.benchmarks.window_frames [--seconds 60 | --minutes 60] [--rate 50] [--before 0] [--blocks 32]
                                             [--table leak.csv]

Another process writes an invented run of 224 layers (32 blocks of 7 roles) through the real writer, `--rate` steps a
second, after `--before` steps that are already there. The window shows it on the Run page at 1440 x 900 with every
plot. A timer that ought to fire every 4 ms measures how long the event loop is busy in one piece: a frame. Reported
are the median, the 99th percentile and the longest frame in milliseconds, the most processor time that one took (which
other programs on the machine do not lengthen), and the memory at the start and at the end.

`--table` writes a line every minute: memory, objects of Qt and Python, items in the plots, threads and open files.
What leaks grows there from line to line; the time that counting takes is no frame.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from core.home import find_home
from core.store.store import LOCK, Store
from tests.app.seed import Seeded, config

if TYPE_CHECKING:
    from app.window import Window

SETTLE = 1.0
"""Seconds before frames count, once all pages are made."""
EVERY = 60.0
"""Seconds between two lines of the table."""


def main() -> None:
    """Measure, and print one JSON document."""
    arguments = _arguments()
    if arguments.write:
        _write(arguments)
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        writer = _start_writer(folder, arguments)
        try:
            print(json.dumps(_watch(folder, arguments, writer), indent=2))
        finally:
            writer.terminate()
            writer.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument("--minutes", type=float, default=None, help="the same in minutes")
    parser.add_argument("--table", type=Path, default=None, help="file that takes a line of counts every minute")
    parser.add_argument("--rate", type=float, default=50.0, help="steps a second")
    parser.add_argument("--before", type=int, default=0, help="steps that are there at the start")
    parser.add_argument("--blocks", type=int, default=32, help="transformer blocks, of 7 layers each")
    parser.add_argument("--write", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.minutes is not None:
        arguments.seconds = 60 * arguments.minutes
    return arguments


def _start_writer(folder: str, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.benchmarks.window_frames", "--write", folder]
    words += [f"--{name}={getattr(arguments, name)}" for name in ("rate", "before", "blocks")]
    writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    writer.stdout.readline()
    return writer


def _write(arguments: argparse.Namespace) -> None:
    """The writing process: says a line once the steps before are there, then goes on until it is ended."""
    from core.lock import FileLock

    home = find_home(arguments.write)
    seeded = Seeded(home, Store(home), config=config(steps=200_000), blocks=arguments.blocks)
    FileLock(home.run(seeded.run) / LOCK).acquire()
    seeded.begin()
    for to in range(999, arguments.before, 1000):
        seeded.advance(to)
    print("ready", flush=True)
    start, first = time.monotonic(), seeded.step
    while True:
        due = first + int((time.monotonic() - start) * arguments.rate)
        while seeded.step < due:
            seeded.measure(seeded.step)
            seeded.step += 1
        time.sleep(0.005)


def _watch(folder: str, arguments: argparse.Namespace, writer: subprocess.Popen[str]) -> dict[str, float]:
    from PySide6.QtCore import QTimer

    from app.start import make_application, make_window, show
    from app.window import PAGES

    app = make_application()
    begun = time.perf_counter()
    window = make_window(find_home(folder))
    window.resize(1440, 900)
    show(window)
    app.processEvents()
    opened = time.perf_counter() - begun
    for key in PAGES:
        window.page(key)
    begun = time.perf_counter()
    gaps, work = Tally(), Tally()
    clock = {"last": time.perf_counter(), "memory": 0.0, "worked": time.thread_time()}

    def tick() -> None:
        now = time.perf_counter()
        if now - begun > SETTLE:
            clock["memory"] = clock["memory"] or psutil.Process().memory_info().rss
            gaps.add(1000 * (now - clock["last"]))
            work.add(1000 * (time.thread_time() - clock["worked"]))
        clock["last"], clock["worked"] = now, time.thread_time()

    def count() -> None:
        write_counts(arguments.table, window, time.perf_counter() - begun)
        clock["last"], clock["worked"] = time.perf_counter(), time.thread_time()

    timer, counting = QTimer(interval=4), QTimer(interval=int(1000 * EVERY))
    timer.timeout.connect(tick)
    timer.start()
    if arguments.table is not None:
        counting.timeout.connect(count)
        counting.start()
    QTimer.singleShot(int(1000 * (SETTLE + arguments.seconds)), app.quit)
    app.exec()
    trace = window.context.feed.trace
    steps = trace.curve("loss").last_step + 1 if trace is not None else 0
    window.close()
    return {
        "opened_ms": round(1000 * opened),
        "steps_shown": steps,
        "median_ms": gaps.share(0.5),
        "p99_ms": gaps.share(0.99),
        "longest_ms": gaps.longest,
        "frames_over_50_ms": gaps.over(50),
        "p99_work_ms": work.share(0.99),
        "longest_work_ms": work.longest,
        "frames_of_work_over_50_ms": work.over(50),
        "memory_start_mb": round(clock["memory"] / 1e6),
        "memory_end_mb": round(psutil.Process().memory_info().rss / 1e6),
    }


class Tally:
    """Counts frames by their tenths of a millisecond: keeping each would itself be the leak that is looked for."""

    def __init__(self) -> None:
        self._counts = np.zeros(100_000, np.int64)

    def add(self, milliseconds: float) -> None:
        """One more."""
        self._counts[min(int(10 * milliseconds), len(self._counts) - 1)] += 1

    def share(self, share: float) -> float:
        """What so large a share of the frames does not exceed, in milliseconds."""
        return int(np.searchsorted(np.cumsum(self._counts), share * self._counts.sum())) / 10

    @property
    def longest(self) -> float:
        """The longest frame, in milliseconds."""
        return int(np.flatnonzero(self._counts)[-1]) / 10

    def over(self, milliseconds: float) -> int:
        """How many were longer."""
        return int(self._counts[int(10 * milliseconds) + 1 :].sum())


def counts(window: Window) -> dict[str, int]:
    """What would grow if something leaked: bytes, and objects of Qt, of Python and in the plots."""
    import pyqtgraph as pg
    from PySide6.QtCore import QObject
    from PySide6.QtWidgets import QApplication, QGraphicsView

    gc.collect()
    tops = QApplication.topLevelWidgets()
    scenes = [view.scene() for top in tops for view in top.findChildren(QGraphicsView)]
    trace = window.context.feed.trace
    process = psutil.Process()
    return {
        "memory_kb": process.memory_info().rss // 1024,
        "qt_objects": sum(1 + len(top.findChildren(QObject)) for top in tops),
        "windows": len(tops),
        "python_objects": len(gc.get_objects()),
        "plot_items": sum(len(scene.items()) for scene in scenes if isinstance(scene, pg.GraphicsScene)),
        "threads": process.num_threads(),
        "files": len(process.open_files()),
        "events": 0 if trace is None else len(trace.events),
        "steps": 0 if trace is None else trace.curve("loss").last_step + 1,
    }


def write_counts(table: Path, window: Window, seconds: float) -> None:
    """Append a line of `counts`, under a head where the file is new."""
    found = {"seconds": round(seconds), **counts(window)}
    lines = [] if table.exists() else [",".join(found)]
    lines.append(",".join(map(str, found.values())))
    with table.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
