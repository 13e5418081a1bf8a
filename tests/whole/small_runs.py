"""Small runs that are real from end to end: a saved model, a file of examples, a row in a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.config.run import RunConfig
from core.store.store import Store
from tests.tiny import tiny_model

WORDS = ("fox", "dog", "jug", "zebra", "answer", "question", "sentence", "noun", "capital", "example", "model", "box")


def write_examples(path: Path, *, count: int = 24) -> Path:
    """Prompts and completions of different lengths."""
    rows = [
        {
            "prompt": f"Define the noun {WORDS[place % len(WORDS)]} {place}.",
            "completion": f" A {WORDS[-place % len(WORDS)]}" + " and one more" * (place % 4) + ".",
        }
        for place in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def small_config(folder: Path, **parts: dict[str, Any]) -> RunConfig:
    """A run on a tiny Llama made in `folder`; `parts` change its sections (`train={"steps": 3}`)."""
    if not (folder / "model").exists():
        tiny_model("llama", folder / "model")
        write_examples(folder / "data.jsonl")
    given: dict[str, dict[str, Any]] = {
        "model": {"path": str(folder / "model"), "compute": "float32"},
        "data": {"path": str(folder / "data.jsonl"), "held_out": 0.2},
        "adapter": {"method": "lora", "rank": 4, "alpha": 8, "layers": "all-linear"},
        "train": {
            "steps": 6, "batch": 2, "learning_rate": 0.01, "device": "cpu", "evaluate_every": 3, "checkpoint_every": 3,
        },
    }  # fmt: skip
    for part, options in parts.items():
        given[part] = {**given[part], **options}
    return RunConfig.from_dict({"name": "small", "seed": 5, **given})


def create(store: Store, folder: Path, **parts: dict[str, Any]) -> str:
    """Put such a run into the store; returns its id."""
    return store.create_run(small_config(folder, **parts))
