"""Every method in one setting: SmolLM2 on the Devil's Dictionary as the demo trains it, one seed, one length.

    python -m tests.benchmarks.methods [--quick] [--write] [--only lora dora ...] [--steps 6] [--rounds 4] [--shared]

Each method first learns in a process of its own: trained numbers, the adapter's file, the held-out loss before and
after, the most resident memory of that process while it trains (Python, torch and the model included), whether half the
run, trained again from a checkpoint, ends with the same bits, and what merging does to a log-probability. Then all are
timed in one process: the median of interleaved steps against LoRA's, against peft's same method in a plain loop with
padded rows, and against peft given our packed rows and our loss. `--write` keeps the figures in methods.json and writes
the README's table from them; `--quick` takes the tiny model, whose steps are too short to say much about speed;
`--shared` times one thread by its own clock, for a machine that has other work.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
QUIET = {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE", "PYTHONWARNINGS": "ignore",
}  # fmt: skip
PARTS = ["learn", "time"]


def main() -> int:
    """Measure, print the table, and keep it where that is asked for."""
    arguments = parsed()
    if arguments.part:
        return part(arguments)
    from tests.benchmarks.comparing.table import RESULTS, caption, read, table

    began = time.monotonic()
    some = arguments.only or set(arguments.parts) < set(PARTS)
    found: dict[str, Any] = read() if arguments.write and some else {"setting": {}, "methods": {}}
    for kind in PARTS:
        if kind not in arguments.parts:
            continue
        for name, values in measured(arguments, kind):
            print(f"{name}: {json.dumps(values)}", file=sys.stderr, flush=True)
            if name == "setting":
                found["setting"] = values
            else:
                found["methods"].setdefault(name, {}).update(values)
            if arguments.write:
                RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(f"{table(found)}\n\n{caption(found)}\n")
    print(*judged(found["methods"]), sep="\n")
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    if arguments.write:
        subprocess.run([sys.executable, str(ROOT / "packaging" / "readme_tables.py"), "--write"], check=True)
    return 0


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the tiny model")
    parser.add_argument("--write", action="store_true", help="keep the figures, and write the README's table")
    parser.add_argument("--only", nargs="+", default=[], metavar="METHOD")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--shared", action="store_true", help="the machine has other work")
    parser.add_argument("--home", default=str(ROOT / "build" / "benchmarks"))
    parser.add_argument("--part", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def measured(arguments: argparse.Namespace, kind: str) -> Any:
    """Names and what was found of each, as it comes in: a process each to learn in, one for all that are timed."""
    names = arguments.only or json.loads(ended(arguments, "names", []))
    for part_of in [[name] for name in names] if kind == "learn" else [names]:
        process = subprocess.Popen(
            command(arguments, kind, part_of), stdout=subprocess.PIPE, text=True, env=surroundings(arguments)
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                yield from json.loads(line).items()
        if process.wait():
            print(f"{kind} {' '.join(part_of)} ended with status {process.returncode}", file=sys.stderr)


def command(arguments: argparse.Namespace, part: str, names: list[str]) -> list[str]:
    """The command of a process that does one part."""
    words = [sys.executable, "-m", "tests.benchmarks.methods", "--part", part, "--home", arguments.home]
    words += ["--steps", str(arguments.steps), "--rounds", str(arguments.rounds)]
    words += [f"--{flag}" for flag in ("quick", "shared") if getattr(arguments, flag)]
    return [*words, *(["--only", *names] if names else [])]


def ended(arguments: argparse.Namespace, part: str, names: list[str]) -> str:
    """What a part says once it has ended."""
    words = command(arguments, part, names)
    return subprocess.run(words, check=True, capture_output=True, text=True, env=surroundings(arguments)).stdout


def surroundings(arguments: argparse.Namespace) -> dict[str, str]:
    """The environment of a part; of one thread where its own time is counted, since a training sets more if it may."""
    return {**os.environ, **QUIET, **({"OMP_NUM_THREADS": "1"} if arguments.shared else {})}


def part(arguments: argparse.Namespace) -> int:
    """One part, in a process of its own; a JSON object a line."""
    import torch

    from core.home import find_home
    from core.train.precision import use_physical_cores
    from tests.benchmarks.comparing import setting as settings

    logging.disable(logging.WARNING)
    home = find_home(arguments.home)
    setting = settings.setting(
        home, quick=arguments.quick, steps=arguments.steps, rounds=arguments.rounds, shared=arguments.shared
    )
    if arguments.part == "names":
        print(json.dumps(settings.names()))
        return 0
    use_physical_cores()
    say("setting", {
        "model": setting.model.name.removesuffix(".gguf"), "steps": setting.steps,
        "batch": setting.config("lora").train.batch, "torch": torch.__version__,
        "clock": "one thread's own time" if setting.shared else f"{torch.get_num_threads()} threads",
    })  # fmt: skip
    if arguments.part == "learn":
        from tests.benchmarks.comparing.learning import learned

        for name in arguments.only:
            say(name, learned(setting, name))
    else:
        from tests.benchmarks.comparing.timing import all_times

        all_times(setting, arguments.only, say)
    return 0


def say(name: str, values: dict[str, Any]) -> None:
    """One line for the process that waits."""
    print(json.dumps({name: values}), flush=True)


def judged(methods: dict[str, dict[str, Any]]) -> list[str]:
    """What does not hold of what is wanted, one sentence each."""
    said = []
    for name, found in methods.items():
        limit = 1.25 if name in ("dora", "qdora") else 1.15
        if found.get("step_ratio", 0) > limit:
            said.append(f"{name}: a step takes {found['step_ratio']:.2f} times LoRA's, more than {limit}")
        for key in ("peft_ratio", "peft_same_rows_ratio"):
            if found.get(key, 0) >= 1:
                said.append(f"{name}: {key} is {found[key]:.2f}")
        if "held_out" in found and not found["held_out"] < found["held_out_before"]:
            said.append(f"{name}: the held-out loss did not fall")
        if not found.get("resumes", True):
            said.append(f"{name}: the resumed run ended with other bits")
        if found.get("merge_gap", 0) > 1e-3:
            said.append(f"{name}: merging changed a log-probability by {found['merge_gap']:.1e}")
    return said or ["All that is wanted of the methods holds."]


if __name__ == "__main__":
    sys.exit(main())
