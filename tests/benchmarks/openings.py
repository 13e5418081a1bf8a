"""How long the window is busy in one piece while its pages are made and opened, in a large home.

    python -m tests.benchmarks.openings [--home build/benchmarks/large-home] [--times 5]

The home is that of `large_home`, made where it is not there yet. Measured is the processor time of the window's thread
in each turn of the event loop: what other programs do hardly lengthens it. Each time is a process of its own. Reported
are, in milliseconds, the median and the longest of the worst turns of so many times: while the pages that nobody has
opened are made, for each page when it is opened for the first time and again, and when it is asked for before it is
made; and for another size of the window, another size of text, and another theme.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from core.home import Home, find_home
from tests.benchmarks.large_home import make_home

if TYPE_CHECKING:
    from app.window import Window

_QUIET = 500
"""Milliseconds in which whatever was begun has ended."""


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default="build/benchmarks/large-home", help="folder that is kept")
    parser.add_argument("--times", type=int, default=5, help="how often")
    parser.add_argument("--once", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    home = find_home(arguments.home)
    if arguments.once:
        print(json.dumps(measure(home, arguments.once)))
        sys.stdout.flush()
        os._exit(0)
    if not (home.root / "made").exists():
        make_home(home, argparse.Namespace(runs=10_000, steps=100_000, blocks=80))
    from app.window import PAGES

    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(arguments.times):
        for what in ("all", *PAGES):
            words = [sys.executable, "-m", "tests.benchmarks.openings", "--home", arguments.home, "--once", what]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            for name, value in json.loads(done.stdout).items():
                found[name].append(value)
    print(json.dumps({name: [round(statistics.median(v)), round(max(v))] for name, v in found.items()}, indent=1))


class Turns:
    """Notes the processor time of each turn of the event loop."""

    def __init__(self) -> None:
        from PySide6.QtCore import QAbstractEventDispatcher

        self._begun = time.thread_time()
        self.longest = 0.0
        QAbstractEventDispatcher.instance().awake.connect(self._turn)

    def worst(self, action: Callable[[], object], until: Callable[[], bool] = lambda: True) -> float:
        """The milliseconds of the longest turn from an action on, until all is quiet."""
        from PySide6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(0, action)
        self.longest, self._begun = 0.0, time.thread_time()
        while True:
            QTimer.singleShot(_QUIET, loop.quit)
            loop.exec()
            if until():
                return self.longest

    def _turn(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, 1000 * (now - self._begun))
        self._begun = now


def measure(home: Home, what: str) -> dict[str, float]:
    """Open a window, and in it one page, or all of them."""
    from PySide6.QtCore import QSettings

    from app.start import make_application, make_window, show

    make_application()
    turns = Turns()
    settings = QSettings(str(home.root / "window.ini"), QSettings.Format.IniFormat)
    settings.setValue("page", "runs" if what == "model" else "model")
    settings.sync()
    window = make_window(home)
    window.context.jobs._ensure = lambda home: None
    window.resize(1440, 900)
    if what == "all":
        complete: list[bool] = []
        window.complete.connect(lambda: complete.append(True))
        turns.worst(window.show)
        return {"others are made": turns.worst(lambda: show(window), lambda: bool(complete)), **_all(window, turns)}
    turns.worst(window.show)
    return {f"{what}: asked for before it is made": turns.worst(lambda: window.go(what), lambda: what in window.pages)}


def _all(window: Window, turns: Turns) -> dict[str, float]:
    """Everything that is done once all pages are there."""
    from app.window import PAGES

    if window.document.model is None or window.document.model.blocks < 80:
        path = str(window.context.home.root / "model-70b")
        turns.worst(lambda: window.document.update({"model.path": path, "data.path": "data.jsonl"}))
    found = {}
    for when in ("first", "again"):
        for key in PAGES:
            found[f"{key}: {when}"] = turns.worst(lambda key=key: window.go(key))  # type: ignore[misc]
    theme = window.context.theme
    for key in ("layers", "run", "runs"):
        turns.worst(lambda key=key: window.go(key))  # type: ignore[misc]
        found[f"{key}: larger window"] = turns.worst(lambda: window.resize(2560, 1440))
        found[f"{key}: smaller window"] = turns.worst(lambda: window.resize(1440, 900))
        found[f"{key}: larger text"] = turns.worst(lambda: theme.zoom(1))
        found[f"{key}: text as before"] = turns.worst(lambda: theme.zoom(0))
        other = "light" if theme.tokens.dark else "dark"
        found[f"{key}: other theme"] = turns.worst(lambda other=other: theme.choose(other))  # type: ignore[misc]
    found["memory in MB"] = psutil.Process().memory_info().rss / 1e6
    return found


if __name__ == "__main__":
    main()
