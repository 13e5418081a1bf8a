"""From a run to its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.events import CheckpointSaved, Rewound, RunStarted
from core.figures.figure import Axis, Bars, Heatmap, Lines, Mark, Series
from core.figures.names import matrix_name
from core.figures.smooth import Smoothed
from core.figures.trace import Trace
from core.layers import LayerInfo

STEP = Axis("Step")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured scalar as people read it: values are divided by `per` to be in `unit`."""

    label: str
    unit: str = ""
    per: float = 1.0
    smooth: bool = True


QUANTITIES: dict[str, Quantity] = {
    "learning_rate": Quantity("Learning rate", smooth=False),
    "gradient_norm": Quantity("Gradient norm"),
    "tokens_per_second": Quantity("Tokens a second", "tokens/s"),
    "memory": Quantity("Memory", "GB", 1e9, smooth=False),
}
"""The curves that stand beside the loss, in the order of the window's menu."""

NORMS: dict[str, Axis] = {
    "delta_norm": Axis("Norm of dW"),
    "relative_norm": Axis("Norm of dW / norm of W"),
    "effective_rank": Axis("Effective rank of dW", "directions"),
    "largest_singular": Axis("Largest singular value of dW"),
    "update_size": Axis("Step / trained numbers"),
}
"""The per-layer measurements, by key."""


LOSS = (
    "How far what the model says is from what the data has: lower is better. Train is measured on the batch of each "
    "step and jumps about, smoothed is its running mean, held out is measured on examples that are never trained on. "
    "Where held out rises while train falls, the model begins to learn by heart."
)
MEANINGS: dict[str, str] = {
    "learning_rate": "The step size of the optimizer, as the schedule has it.",
    "gradient_norm": "The length of all gradients together before they are clipped. Jumps are steps that were cut.",
    "tokens_per_second": "Tokens that go through the model in a second, padding left out.",
    "memory": "Memory that the worker holds.",
}
NORMS_HELP = {
    "delta_norm": "How large the change of each layer is at each step; layers up, the first block below. Bright rows "
    "are the layers that move most.",
    "relative_norm": "How large the change of each layer is beside the size of its weight, at each step: how much of "
    "the layer is new. Layers up, the first block below.",
    "effective_rank": "How many directions each layer's change really uses, of the rank that it was given: exp of the "
    "entropy of its singular values (Roy and Vetterli, 2007).",
    "largest_singular": "The strongest direction of each layer's change. Where it grows and the norm does not, one "
    "direction takes over.",
    "update_size": "How far one step moves what the layer trains, beside its length: what starts from zero begins at "
    "1. Rows that stay dark hardly learn; rows that stay bright jump about.",
}
CHANGED_HELP = (
    "How large the change of a layer's weight is beside the weight itself; the colour compares it with the end."
)


def loss(
    trace: Trace, smoothed: Smoothed, *, span: tuple[float, float] | None = None, unit: str = "nats per token"
) -> Lines:  # fmt: skip
    """Training loss, the same smoothed, and held-out loss, with a mark on each checkpoint.

    Args:
        trace: the run.
        smoothed: keeps the smoothed curve between calls, so that only what is new is worked out.
        span: first and last step of the whole run.
        unit: of the loss; see `core.figures.live.of_task.LOSS_UNITS`.
    """
    train, held_out = trace.curve("loss"), trace.curve("held_out")
    values = finite(train.values)
    series = [Series("train", floats(train.steps), values, "thin", "blue")] if len(train) else []
    if len(train) and smoothed.keep > 0:
        series.append(Series("smoothed", floats(train.steps), smoothed.of(values), "line", "blue"))
    if len(held_out):
        series.append(Series("held out", floats(held_out.steps), finite(held_out.values), "points", "amber"))
    return Lines("Loss", STEP, Axis("Loss", unit), tuple(series), marks(trace), span, LOSS)


def curve(trace: Trace, key: str, *, span: tuple[float, float] | None = None) -> Lines:
    """One of `QUANTITIES` over the steps."""
    quantity = QUANTITIES[key]
    measured = trace.curve(key)
    y = finite(measured.values) / quantity.per
    series = (Series(quantity.label.lower(), floats(measured.steps), y, "line", "blue"),) if len(measured) else ()
    return Lines(quantity.label, STEP, Axis(quantity.label, quantity.unit), series, (), span, MEANINGS[key])


def norms(trace: Trace, key: str, *, span: tuple[float, float] | None = None) -> Heatmap:
    """A per-layer norm by layer and step; `key` is one of `NORMS`."""
    measured = trace.vector(key)
    names = tuple(short_name(layer) for layer in trace.layers)
    return Heatmap(
        f"{NORMS[key].label} by layer and step", STEP, Axis("Block"), NORMS[key], names, measured.steps,
        measured.values, block_ticks(trace.layers), span, NORMS_HELP[key],
    )  # fmt: skip


def most_changed(trace: Trace, *, step: float | None = None, count: int = 24) -> Bars:
    """The layers whose weights have moved furthest in proportion, at `step` (None: the newest), as percentages."""
    value = Axis("dW / W", "%")
    measured = trace.vector("relative_norm")
    row = measured.at(np.inf if step is None else step)
    if row is None:
        return Bars("Most changed layers", value, (), np.empty(0), help=CHANGED_HELP)
    order = np.argsort(-np.nan_to_num(row, nan=-1.0, posinf=-1.0), kind="stable")[:count]
    layers = [trace.layers[index] for index in order]
    values = 100 * row[order].astype(np.float64)
    shares = _shares(values, 100 * float(np.nanmax(finite(measured.at(np.inf)), initial=0.0)))
    names = tuple(short_name(layer) for layer in layers)
    return Bars(
        "Most changed layers", value, names, values, tuple(layer.name for layer in layers), shares, CHANGED_HELP
    )


def marks(trace: Trace) -> tuple[Mark, ...]:
    """The newest checkpoint, and each place where the run was resumed."""
    found: dict[int, str] = {}
    checkpoint = 0
    for _, event in trace.events:
        match event:
            case CheckpointSaved(step):
                checkpoint = step
            case Rewound(step) if step > 0:
                found[step] = "resumed"
            case RunStarted(step) if step > 0:
                found[step] = "resumed"
    if checkpoint:
        found[checkpoint] = f"checkpoint {checkpoint}"
    return tuple(Mark(float(step), text) for step, text in sorted(found.items()))


def short_name(layer: LayerInfo) -> str:
    """`19.q_proj`: the block and the last part of the name, or as much of it as tells it from its neighbours."""
    if layer.kind != "vector":
        return matrix_name(layer.name, layer.block)
    return layer.suffix if layer.block is None else f"{layer.block}.{layer.suffix}"


def block_ticks(layers: tuple[LayerInfo, ...]) -> tuple[tuple[int, str], ...]:
    """The middle row of each block, with the block's number."""
    rows: dict[int, list[int]] = {}
    for row, layer in enumerate(layers):
        if layer.block is not None:
            rows.setdefault(layer.block, []).append(row)
    return tuple((found[len(found) // 2], str(block)) for block, found in rows.items())


def floats(steps: NDArray[Any]) -> NDArray[np.float64]:
    """Steps as float64, which plots keep exact."""
    return steps.astype(np.float64)


def finite(values: NDArray[Any]) -> NDArray[Any]:
    """The values with infinities as gaps."""
    return np.where(np.isfinite(values), values, np.nan)


def _shares(values: NDArray[np.float64], top: float) -> NDArray[np.float64]:
    return np.clip(np.nan_to_num(values / top), 0, 1) if top > 0 else np.zeros(len(values))
