"""Does DPO teach SmolLM2 what it is shown? The Devil's Dictionary is preferred to the model's own answers:

    python -m tests.benchmarks.preference [--steps 40] [--pairs 120] [--seed 0]

For each question the better answer is the dictionary's and the worse one what the model writes itself, greedily. A
quarter of the pairs is held out. Printed are, as one JSON document, loss, margin of the rewards (chosen less rejected)
and share of pairs in the right order, at the first step and the last five, and of the held-out pairs at each
evaluation. On two cores it takes about fifteen minutes.
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
DATA = ROOT / "resources" / "demo" / "data" / "devil_train.jsonl"

KEYS = ("loss", "reward_margin", "reward_accuracy")
HELD_OUT = ("held_out", "held_out_reward_margin", "held_out_reward_accuracy")
TOGETHER, LENGTH = 12, 28
"""Questions that are answered at once, and tokens of an answer."""


def main() -> int:
    """Make the pairs, train, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder), arguments.steps, arguments.pairs, arguments.seed), indent=2))
    return 0


def measured(folder: Path, steps: int, count: int, seed: int) -> dict[str, Any]:
    """A run in a process of its own, and its curves."""
    from core.config.files import write
    from core.config.run import RunConfig
    from core.home import find_home
    from core.models.catalog import embedded_model
    from core.models.load import resolve
    from core.store.store import Store

    home = find_home(str(folder / "home"))
    model = resolve(home, embedded_model())
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()][:count]
    pairs = folder / "pairs.jsonl"
    pairs.write_text("".join(json.dumps(pair) + "\n" for pair in paired(model, rows)), encoding="utf-8")
    config = RunConfig.from_dict(
        {
            "name": "devil-preferred",
            "seed": seed,
            "task": "preference",
            "model": {"path": str(model), "compute": "float32"},
            "data": {"path": str(pairs), "held_out": 0.25, "max_tokens": 160},
            "adapter": {"rank": 8, "alpha": 16, "layers": "all-linear"},
            "train": {"steps": steps, "batch": 4, "learning_rate": 2e-4, "evaluate_every": max(1, steps // 4),
                      "checkpoint_every": 0},
        }
    )  # fmt: skip
    write(config, folder / "run.yaml")
    words = [
        sys.executable,
        str(ROOT / "main.py"),
        "train",
        str(folder / "run.yaml"),
        "--json",
        "--home",
        str(home.root),
    ]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    told = json.loads(ended.stdout)
    store = Store(home)
    try:
        curves = {key: store.curve(told["run"], key) for key in (*KEYS, *HELD_OUT)}
    finally:
        store.close()
    return {
        "first": {key: float(curves[key][1][0]) for key in KEYS},
        "last five": {key: float(curves[key][1][-5:].mean()) for key in KEYS},
        "held out": {key: list(zip(*(part.tolist() for part in curves[key]), strict=True)) for key in HELD_OUT},
    }


def paired(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The questions with the dictionary's answers and the model's own."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for start in range(0, len(rows), TOGETHER):
        some = rows[start : start + TOGETHER]
        asked = [[{"role": "user", "content": row["instruction"]}] for row in some]
        texts = [tokenizer.apply_chat_template(each, tokenize=False, add_generation_prompt=True) for each in asked]
        called = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.no_grad():
            written = model.generate(**called, max_new_tokens=LENGTH, do_sample=False)
        for row, question, ids in zip(some, asked, written, strict=True):
            own = tokenizer.decode(ids[called["input_ids"].shape[1] :], skip_special_tokens=True).strip()
            better, worse = ([{"role": "assistant", "content": text}] for text in (row["response"], own or "..."))
            found.append({"prompt": question, "chosen": better, "rejected": worse})
        print(f"{len(found)} of {len(rows)} questions answered", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
