"""The table of what was measured, as Markdown: printed by the benchmark, and written into the README from its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.adapters.delta import DELTAS
from core.adapters.names import METHODS
from core.commandline.methods import axes

RESULTS = Path(__file__).resolve().parents[1] / "methods.json"
HEAD = (
    "method", "rank", "trained", "adapter", "held-out loss", "step against LoRA", "against peft",
    "against peft, our rows and loss", "peak memory",
)  # fmt: skip


def read(path: Path = RESULTS) -> dict[str, Any]:
    """What was measured last; nothing where nothing was."""
    if not path.exists():
        return {"setting": {}, "methods": {}}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def table(found: dict[str, Any]) -> str:
    """One row a method that was measured, in the order of the names."""
    labels = {method.name: method.label for method in METHODS}
    rows = [row(labels[name], found["methods"][name]) for name in labels if name in found["methods"]]
    lines = [HEAD, ("---",) * len(HEAD), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def row(label: str, values: dict[str, Any]) -> tuple[str, ...]:
    """The cells of one method; a dash where something was not measured, or peft does not have it."""

    def said(key: str, form: str, unit: float = 1.0) -> str:
        return form.format(values[key] / unit) if key in values else "–"

    losses = said("held_out_before", "{:.3f} → ") + said("held_out", "{:.3f}") if "held_out" in values else "–"
    return (
        label,
        said("rank", "{:.0f}") if label in _ranked() else "–",
        said("trainable_parameters", "{:,.0f}"),
        said("adapter_bytes", "{:.2f} MB", 1e6),
        losses,
        said("step_ratio", "{:.2f}"),
        said("peft_ratio", "{:.2f}"),
        said("peft_same_rows_ratio", "{:.2f}"),
        said("peak_memory", "{:.2f} GB", 1e9),
    )


def _ranked() -> set[str]:
    """Labels of the methods whose change has a rank; full fine-tuning has none."""
    return {one.label for one in METHODS if "rank" in DELTAS.parse(axes(one)["delta"]).provides}


def caption(found: dict[str, Any]) -> str:
    """What the figures were measured on, in one sentence."""
    said = found["setting"]
    if not said:
        return ""
    return (
        f"{said['model']}, the Devil's Dictionary, seed 0, {said['steps']} steps of {said['batch']} examples, all "
        f"linear layers, float32; torch {said['torch']} on a processor, {said['clock']}."
    )
