"""Does LoRA-drop keep what LoRA learns? Both on SmolLM2 and the Devil's Dictionary, as the demo trains it:

    python -m tests.benchmarks.lora_drop [--steps 48] [--seeds 0]

LoRA-drop runs at its defaults: a probe of 50 steps on a tenth of the examples, threshold 0.9, the other layers of a
kind share one adapter. Reported are the lowest held-out losses, their ratio (the paper's claim: about 1), the numbers
that each trains, and how many layers kept an adapter of their own. On two cores a seed takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Train each seed both ways and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            lora, drop = (trained(Path(folder), method, seed, arguments.steps) for method in ("lora", "lora-drop"))
            ratios = {
                "held_out_ratio": drop["held_out"] / lora["held_out"],
                "parameters_ratio": drop["trainable_parameters"] / lora["trainable_parameters"],
            }
            found.append({"seed": seed, "lora": lora, "lora-drop": drop, **ratios})
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    print(json.dumps(found, indent=2))
    return 0


def trained(folder: Path, method: str, seed: int, steps: int) -> dict[str, Any]:
    """One run in a process of its own; its lowest held-out loss, and what it trained."""
    from app.starting_point import starting_point
    from core.config.edit import replaced
    from core.config.files import write
    from core.config.run import RunConfig
    from core.events import LayersChosen
    from core.home import find_home
    from core.store.store import Store

    changes = {
        **starting_point(), "adapter.method": method, "train.steps": steps, "train.evaluate_every": steps // 4,
        "train.checkpoint_every": 0, "train.prompts": (), "seed": seed, "name": f"{method}-{seed}",
    }  # fmt: skip
    config = replaced(RunConfig.from_dict({"model": {"path": changes["model.path"]}}), changes)
    file = folder / f"{method}-{seed}.yaml"
    write(config, file)
    words = [sys.executable, str(ROOT / "main.py"), "train", str(file), "--json", "--home", str(folder / "home")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    told = json.loads(ended.stdout)
    store = Store(find_home(str(folder / "home")))
    try:
        _, losses = store.curve(told["run"], "held_out")
        chosen = [event for _, _, event in store.events(told["run"]) if isinstance(event, LayersChosen)]
    finally:
        store.close()
    kept = {"kept": len(chosen[-1].kept), "candidates": len(chosen[-1].importance)} if chosen else {}
    return {"held_out": float(losses.min()), "trainable_parameters": told["trainable_parameters"], **kept}


if __name__ == "__main__":
    sys.exit(main())
