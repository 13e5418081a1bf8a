"""How long the window is busy in one piece, whatever one does in it, in a large home.

    python -m tests.benchmarks.openings [--home build/benchmarks/large-home] [--times 3] [--parts opened moved run ...]
                                        [--only WORDS] [--memory 200]

The home is that of `large.home`, made where it is not there yet. Measured is the processor time of the window's thread
in each turn of the event loop: what other programs do hardly lengthens it. Each time is a process of its own. A line
is printed for everything one can do: how often it was done, and the median, the 95th percentile and the longest of the
worst turns that each time had, in milliseconds. Done are: making the pages that nobody has opened, opening each page
before it is made, for the first time and again, and moving everything that moves (`large.moves`).

With `--memory` runs and pages are opened so many times instead, and what would grow if something leaked is printed on
the way.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.home import Home, find_home
from tests.benchmarks.large.home import make_home

if TYPE_CHECKING:
    from app.window import Window
    from tests.benchmarks.large.turns import Turns

_ROUND = 20
"""Pages and runs that are opened between two lines of the table of memory."""
Found = dict[str, list[float]]


def main() -> None:
    """Measure, and print the table."""
    arguments = _arguments()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    home = find_home(arguments.home)
    if arguments.once:
        print(json.dumps(measure(home, arguments.once, arguments.only)))
        sys.stdout.flush()
        os._exit(0)
    if not (home.root / "made").exists():
        make_home(home)
    if arguments.memory:
        remember(home, arguments.memory)
        return
    from app.window import PAGES

    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(arguments.times):
        for what in arguments.parts or ("opened", "moved", *PAGES):
            words = [sys.executable, "-m", "tests.benchmarks.openings", "--home", arguments.home, "--once", what]
            done = subprocess.run([*words, "--only", arguments.only], stdout=subprocess.PIPE, text=True, check=True)
            for name, values in json.loads(done.stdout).items():
                found[name] += values
    print(table(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default="build/benchmarks/large-home", help="folder that is kept")
    parser.add_argument("--times", type=int, default=3, help="how often")
    parser.add_argument("--only", default="", help="only moves whose name begins so")
    parser.add_argument("--parts", nargs="*", help="opened, moved, or pages that are asked for before they are made")
    parser.add_argument("--memory", type=int, default=0, help="how often runs and pages are opened")
    parser.add_argument("--once", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def table(found: Found) -> str:
    """A line for each: how often, median, 95th percentile, longest."""
    width = max(map(len, found))
    lines = [f"{'':{width}}  times  median    p95  worst"]
    for name, values in found.items():
        median, most = np.percentile(values, (50, 95))
        lines.append(f"{name:{width}}  {len(values):5d}  {median:6.0f} {most:6.0f} {max(values):6.0f}")
    return "\n".join(lines)


def measure(home: Home, what: str, only: str) -> Found:
    """Open a window, and in it one page, or all of them, or move everything on them."""
    from app.start import show
    from tests.benchmarks.large.turns import Turns

    window = _window(home, first="runs" if what == "model" else "model")
    turns = Turns()
    turns.worst(window.show)
    if what not in ("opened", "moved"):
        return {f"{what}: before it is made": [turns.worst(partial(window.go, what), lambda: what in window.pages)]}
    complete: list[bool] = []
    window.complete.connect(partial(complete.append, True))
    making = turns.worst(partial(show, window), lambda: bool(complete))
    if what == "opened":
        return {"pages are made": [making], **_openings(window, turns)}
    return _movements(window, turns, only)


def _window(home: Home, *, first: str) -> Window:
    """A window that opens on a page, with the large model, and that never starts a worker."""
    from PySide6.QtCore import QSettings

    from app.start import make_application, make_window

    gc.disable()  # As `app.start` does.
    make_application()
    settings = QSettings(str(home.root / "window.ini"), QSettings.Format.IniFormat)
    settings.clear()
    settings.setValue("page", first)
    settings.sync()
    window = make_window(home)
    window.context.jobs._ensure = lambda home: None
    window.resize(1440, 900)
    path = str(home.root / "model-70b")
    if window.document.config.model.path != path:
        window.document.update({"model.path": path, "data.path": "data.jsonl"})
        window.document.flush()
    return window


def _openings(window: Window, turns: Turns) -> Found:
    """Each page, once all are there."""
    from app.window import PAGES

    return {f"{key}: {when}": [turns.worst(partial(window.go, key))] for when in ("first", "again") for key in PAGES}


def _movements(window: Window, turns: Turns, only: str) -> Found:
    """Everything that moves."""
    from tests.benchmarks.large.moves import moves

    found: Found = defaultdict(list)
    for name, actions in moves(window):
        if name.startswith(only):
            found[name] += turns.each(actions)
    return found


def remember(home: Home, times: int) -> None:
    """Open runs and pages by turns, and print what would grow, a line every few."""
    from app.start import show
    from app.window import PAGES
    from tests.benchmarks.large.turns import Turns
    from tests.benchmarks.window_frames import counts

    window = _window(home, first="run")
    turns = Turns()
    turns.worst(partial(show, window), lambda: set(PAGES) == set(window.pages))
    store, pages = window.context.store, list(PAGES)
    runs = [row for pair in zip(store.runs(search="long"), store.runs(most=50)[-10:], strict=False) for row in pair]
    for place in range(times + 1):
        turns.each([partial(window.context.feed.watch, runs[place % len(runs)].id)])
        turns.each([partial(window.go, pages[place % len(pages)])])
        if place % _ROUND == 0:
            gc.collect()
            found = counts(window)
            if not place:
                print("opened", *found, sep=",")
            print(place, *found.values(), sep=",", flush=True)


if __name__ == "__main__":
    main()
