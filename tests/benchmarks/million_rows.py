"""How long a million rows take, and how much memory: `python -m tests.benchmarks.million_rows [--rows 1000000]`.

Four things are measured, each in a process of its own: the look behind the Data page (counts and checks), the preview
of the first micro-batch, the whole reading that a check or a run does, and the same once more, when the tokens are
kept. Printed are the seconds that passed and that were computed, the peak of the resident memory beside what Python and
its libraries take before, how often progress was told, and the longest time without. The model is the tiny one that
comes along.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

WORDS = (
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "it",
    "was",
    "for",
    "on",
    "are",
    "with",
    "as",
    "at",
    "be",
    "this",
)
KINDS = ("look", "preview", "whole", "again")


def main() -> int:
    """Write the rows, and measure each kind in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kind:
        print(measured(arguments.kind, arguments.file))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        written(path, arguments.rows)
        print(f"{arguments.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB", flush=True)
        for kind in KINDS:
            subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.million_rows", "--kind", kind, "--file", str(path)], check=True
            )
    return 0


def written(path: Path, rows: int) -> None:
    """Questions of a dozen words, answers of two dozen."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            asked, said = (" ".join(chance.choices(WORDS, k=count)) for count in (12, 24))
            file.write(json.dumps({"instruction": f"{asked} {number}?", "response": f"{said}."}) + "\n")


def measured(kind: str, path: str) -> str:
    """One line on one kind."""
    from core.config.run import DataConfig
    from core.data.prepare import prepare
    from core.data.preview import preview_job
    from core.data.report import inspect_job
    from core.home import Home
    from core.models.catalog import tiny_model
    from core.models.load import load_tokenizer

    tokenizer = load_tokenizer(tiny_model())
    before, began, computed = peak(), time.perf_counter(), time.process_time()
    told = [began]

    def progress(_text: str, _share: float | None) -> None:
        told.append(time.perf_counter())

    body = {"config": {"model": {"path": str(tiny_model())}, "data": {"path": path}}}
    home = Home(Path(path).parent)
    if kind == "look":
        found = inspect_job(home, body, progress)["rows"]
    elif kind == "preview":
        found = preview_job(home, {**body, "index": 0}, progress)["tokens"]
    else:
        found = len(prepare(DataConfig(path=path), tokenizer, 0, progress, home=home).train)
    gaps = max(later - earlier for earlier, later in zip(told, [*told[1:], time.perf_counter()], strict=True))
    seconds, work = time.perf_counter() - began, time.process_time() - computed
    return (
        f"{kind:8} {found:9,}   {seconds:6.1f} s ({work:.1f} s computed)   "
        f"{peak():6.0f} MB (before: {before:.0f})   progress {len(told) - 1} times, longest pause {gaps:.1f} s"
    )


def peak() -> float:
    """The most memory that the process has held, in megabytes."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset / 1e6)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(main())
