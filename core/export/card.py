"""The model card: README.md of whatever is exported, for people and for the sites that read its head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from core.config.combine import ranked
from core.config.run import JUDGING, RunConfig
from core.layers import LayerPlan

LIBRARIES = {"adapter": "peft", "lora": "peft", "merged": "transformers", "gguf": "gguf"}
_WITH_PEFT = """```python
from peft import PeftModel
from transformers import {model}

model = {model}.from_pretrained("{base}"{classes})
model = PeftModel.from_pretrained(model, "path/to/this/folder")
```"""
OPENING = {
    "adapter": _WITH_PEFT,
    "lora": _WITH_PEFT,
    "merged": """```python
from transformers import {model}, AutoTokenizer

model = {model}.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
```""",
    "gguf": "`{file}` opens in llama.cpp, LM Studio and the like. For Ollama, put `FROM ./{file}` into a Modelfile.",
}
BESIDE = "`{file}` is the same for llama.cpp (`--lora {file}`) and, in a Modelfile, for Ollama (`ADAPTER ./{file}`)."


def card(
    kind: str,
    config: RunConfig,
    plans: tuple[LayerPlan, ...],
    *,
    base: str,
    step: int,
    losses: Mapping[str, float | None],
    labels: Sequence[str] = (),
    notes: tuple[str, ...] = (),
    agreement: str = "",
    file: str = "",
) -> str:
    """The text of the card.

    Args:
        kind: "adapter", "lora", "merged" or "gguf".
        config: the run.
        plans: the layers that were trained.
        base: the base model's name, never a path of this machine.
        step: of the checkpoint.
        losses: what to list under "Losses", by its name; None is left out.
        labels: the classes that a model which judges texts tells apart; none where it gives a number.
        notes: what a user of the base model should know ("de-quantised from 4 bits").
        agreement: the sentence of the verification, where there was one.
        file: the name of the GGUF file, where there is one.
    """
    label = config.method_label
    what = {
        "adapter": f"A {label} adapter for {base}",
        "lora": f"A plain LoRA for {base}, the nearest to a {label} adapter",
        "merged": f"{base} with a {label} adapter merged into it",
    }
    parts = [
        f"---\n{yaml.safe_dump(head(kind, config, base=base), sort_keys=False, allow_unicode=True)}---",
        f"# {config.name}",
        f"{what.get(kind, f'{base} with a {label} adapter merged into it, as GGUF')}, trained with Rankloom.",
        *notes,
        _opening(kind, config, labels, base=base, file=file),
        *([BESIDE.format(file=file)] if kind == "lora" and file else []),
        "## Training",
        _table(
            {**_facts(config, plans, step, labels), **{name: f"{x:.4f}" for name, x in losses.items() if x is not None}}
        ),
    ]
    if agreement:
        parts += ["## Checked after export", agreement]
    parts += ["## Versions", _table({name: version(name) for name in ("torch", "transformers", "safetensors")})]
    return "\n\n".join(parts) + "\n"


def _opening(kind: str, config: RunConfig, labels: Sequence[str], *, base: str, file: str) -> str:
    """How an export is opened; a model that judges texts opens as one, its base with as many classes."""
    judges = config.task in JUDGING
    model = "AutoModelForSequenceClassification" if judges else "AutoModelForCausalLM"
    classes = f", num_labels={len(labels) or 1}" if judges else ""
    return OPENING[kind].format(model=model, base=base, classes=classes, file=file)


def head(kind: str, config: RunConfig, *, base: str) -> dict[str, Any]:
    """The mapping in front of the card that model sites read."""
    found: dict[str, Any] = {
        "base_model": base,
        "library_name": LIBRARIES[kind],
        "pipeline_tag": "text-classification" if config.task in JUDGING else "text-generation",
        "tags": sorted({*(["lora"] if ranked(config.adapter) else []), config.adapter.method, "rankloom"}),
    }
    if config.data.path:
        found["datasets"] = [Path(config.data.path).name]
    return found


def _facts(config: RunConfig, plans: tuple[LayerPlan, ...], step: int, labels: Sequence[str]) -> dict[str, str]:
    """What somebody needs to judge or repeat the run."""
    train = config.train
    judged = {"Classes": ", ".join(labels)} if labels else {"Judges by": "a number"}
    return {
        "Method": config.method_label,
        "Layers": f"{len(plans)} ({', '.join(sorted({plan.layer.suffix for plan in plans}))})",
        "Rank": _counts([plan.rank for plan in plans]),
        "Alpha": _counts([f"{plan.alpha:g}" for plan in plans]),
        "Dropout": f"{config.adapter.dropout:g}",
        "Data": Path(config.data.path).name,
        **(judged if config.task in JUDGING else {"Loss on": config.data.train_on}),
        "Longest example": f"{config.data.max_tokens} tokens",
        "Steps": f"{step} of {train.steps}",
        "Batch": f"{train.batch} x {train.accumulate}",
        "Learning rate": f"{train.learning_rate:g}, {train.schedule.kind}",
        "Optimizer": train.optimizer.kind,
        "Seed": str(config.seed),
    }


def _counts(values: list[Any]) -> str:
    """`8`, or `8 (x 20), 16 (x 4)` where they differ, the most frequent first."""
    counted = Counter(values).most_common()
    return ", ".join(str(value) if len(counted) == 1 else f"{value} (x {count})" for value, count in counted)


def _table(rows: Mapping[str, str]) -> str:
    """A two-column table; a name with a bar in it must not break it."""
    lines = [f"| {name} | {value.replace('|', chr(92) + '|')} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def is_dead_path(name: str) -> bool:
    """Whether a base model's name is a path that means nothing on another machine."""
    return Path(name).is_absolute() or name.startswith((".", "~")) or "\\" in name or name.count("/") > 1
