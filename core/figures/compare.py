"""Several runs beside one another, as figures: their curves, their settings, their layers, their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import BaseModel

from core.component import Component
from core.config.edit import difference, title, value_at
from core.config.run import RunConfig
from core.figures.figure import Axis, Floats, Heatmap, Lines, Series, Shape, Words
from core.figures.layer_map import layer_map
from core.figures.live.of_task import LOSS_UNITS
from core.figures.names import shortened
from core.figures.run import NORMS, QUANTITIES, finite, floats
from core.figures.smooth import Smoothed
from core.figures.trace import Measured
from core.layers import LayerInfo

By = Literal["step", "tokens", "seconds"]
AXES: dict[By, tuple[Axis, str]] = {
    "step": (Axis("Step"), ""),
    "tokens": (Axis("Trained tokens"), "trained_tokens"),
    "seconds": (Axis("Training time", "s"), "seconds"),
}
"""What curves can be aligned by: the axis, and the curve that says where a step lies on it."""
CURVES: dict[str, str] = {
    "loss": "Loss", "held_out": "Held-out loss", **{key: one.label for key, one in QUANTITIES.items()},
}  # fmt: skip
"""What can be compared, by key."""
COMPARED = (
    "One curve a run. By step the runs are held beside one another as they were set; by tokens, for what they have "
    "read; by seconds, for what they have cost on their machines."
)
SEEDS = (
    "Runs that differ in nothing but their seed are one curve: their mean, and a band from the lowest to the highest."
)
SETTINGS = "Only what differs. The first run is what the others are held against."
DIFFERENCE = (
    "How much larger each layer's number is in the run that is looked at than in the one it is held against: orange "
    "where it is larger, blue where it is smaller. A layer that a run does not train counts as nothing there."
)
_SMOOTH = frozenset({"loss", "gradient_norm", "tokens_per_second"})
_SHAPES: tuple[Shape, ...] = ("", "triangle", "square", "diamond")
_APART = 4
"""Curves that colour alone tells apart, with any colour vision and in grey."""
_NAME = 32
"""Letters of a run's name in a title that holds two of them."""
_POINTS = 1000
"""Places at which runs of a group are averaged, at most."""
Drawn = tuple[Floats, Floats]
"""The points of a curve: x and y."""


@dataclass(frozen=True)
class Course:
    """One run's curve, with where its steps lie on other axes.

    Attributes:
        name: what the user calls the run.
        group: equal for runs that differ in their seed alone.
        values: what is compared.
        tokens, seconds: by step, cumulative.
        task: what the run learns, which says what its loss is counted in.
    """

    name: str
    group: str
    values: Measured
    tokens: Measured
    seconds: Measured
    task: str = "causal-lm"

    def xs(self, by: By) -> Floats:
        """Where each value lies."""
        steps = floats(self.values.steps)
        place = {"step": None, "tokens": self.tokens, "seconds": self.seconds}[by]
        if place is None:
            return steps
        if not len(place):
            return np.full(len(steps), np.nan)
        found: Floats = np.interp(steps, floats(place.steps), place.values, left=0.0)  # what lies before the first step
        return found


def group_of(config: str) -> str:
    """What runs that differ in name and seed alone have in common, of a configuration's JSON text."""
    return json.dumps({key: value for key, value in json.loads(config).items() if key not in ("name", "seed")})


def task_of(config: str) -> str:
    """What a run learns, of its configuration's JSON text."""
    task: str = json.loads(config)["task"]
    return task


def curves(
    runs: Sequence[Course], key: str, by: By, *, keep: float = 0.0, grouped: bool = False, of: int = 0,
    drawn: Sequence[Drawn] = (),
) -> Lines:  # fmt: skip
    """One curve a run, or one a group of seeds.

    Args:
        runs: with values of `key`.
        key: one of `CURVES`.
        by: what they are aligned by.
        keep: how much of the past a smoothed curve keeps (also of `drawn`), where the quantity is smoothed at all.
        grouped: whether runs that differ in their seed alone are shown as their mean with a band.
        of: how many curves there will be, where these are the first of more: colours stay when the others come.
        drawn: what `draw` gives of each run, where that is known already.
    """
    found = drawn or [draw(one, key, by, keep=keep) for one in runs]
    series: list[Series] = []
    groups: dict[str, list[int]] = {}
    for place, one in enumerate(runs):
        groups.setdefault(one.group if grouped else str(place), []).append(place)
    for color, places in enumerate(groups.values()):
        token, shape = shade(color, max(len(groups), of))
        name = runs[places[0]].name
        if len(places) == 1:
            x, y = found[places[0]]
            series.append(Series(name, x, y, "points" if key == "held_out" else "line", token, shape))
        else:
            series.append(_mean(f"{name} and {len(places) - 1} more", [found[at] for at in places], token, shape))
    units = {QUANTITIES[key].unit if key in QUANTITIES else LOSS_UNITS.get(run.task, "") for run in runs}
    unit = units.pop() if len(units) == 1 else ""
    help = f"{COMPARED} {SEEDS}" if grouped else COMPARED
    label = f"{CURVES[key]}, smoothed" if keep > 0 and key in _SMOOTH else CURVES[key]
    return Lines(label, AXES[by][0], Axis(label, unit), tuple(series), help=help)


def draw(run: Course, key: str, by: By, *, keep: float = 0.0) -> Drawn:
    """Where a run's curve goes, for `curves`: some milliseconds for each hundred thousand points."""
    per = QUANTITIES[key].per if key in QUANTITIES else 1.0
    values = finite(run.values.values) / per
    y = Smoothed(keep).of(values) if key in _SMOOTH and keep > 0 else values
    x = run.xs(by)
    good = np.isfinite(x)
    return x[good], np.asarray(y, dtype=np.float64)[good]


def shade(place: int, count: int) -> tuple[str, Shape]:
    """A colour for one of `count` curves, and what stands on it: four of the categorical set are told apart by colour.

    More curves than that set has lie along viridis, and neighbours differ in what stands on them.
    """
    if count <= 2 * _APART:
        return f"series:{place}", _SHAPES[place // _APART]
    return f"scale:{(place + 0.5) / count:.3f}", _SHAPES[place % len(_SHAPES)]


def settings(names: Sequence[str], configs: Sequence[RunConfig]) -> Words:
    """What the configurations do not have in common, in the words of the forms."""
    paths = sorted({path for one in configs[1:] for path in difference(configs[0], one)} - {"name"})
    rows = [(_label(configs, path), tuple(_said(one, path, configs) for one in configs)) for path in paths]
    return Words(
        "What differs", tuple(label for label, _ in rows), tuple(names), tuple(cells for _, cells in rows), SETTINGS
    )


def layer_difference(
    names: tuple[str, str], layers: tuple[Sequence[LayerInfo], Sequence[LayerInfo]], values: tuple[Floats, Floats],
    key: str = "relative_norm",
) -> Heatmap:  # fmt: skip
    """The second run's numbers by layer (of one of `NORMS`) less the first's, on the map of all layers of both."""
    union = {layer.name: layer for one in layers for layer in one}
    order = sorted(union.values(), key=lambda layer: (layer.block is None, layer.block or 0))
    moved = [dict(zip((layer.name for layer in of), one, strict=True)) for of, one in zip(layers, values, strict=True)]
    found = np.array([float(moved[1].get(one.name, 0.0)) - float(moved[0].get(one.name, 0.0)) for one in order])
    title = f"{NORMS[key].label}: {shortened(names[1], _NAME)} less {shortened(names[0], _NAME)}"
    return layer_map(title, order, found, Axis("Difference"), help=DIFFERENCE, middle=0.0)


def answers(names: Sequence[str], samples: Sequence[Mapping[str, tuple[int, str]]]) -> Words:
    """The latest answer of each run to every prompt; `samples` give step and text by prompt."""
    prompts = list(dict.fromkeys(prompt for one in samples for prompt in one))
    cells = tuple(tuple(one[prompt][1].strip() if prompt in one else "" for one in samples) for prompt in prompts)
    return Words("Answers to the same prompts", tuple(prompts), tuple(names), cells, "The last answer of each run.")


def _mean(name: str, found: Sequence[Drawn], color: str, shape: Shape) -> Series:
    """Mean, lowest and highest of several curves where all of them are known."""
    found = [(x, y) for x, y in found if len(x)]
    if not found:
        return Series(name, np.empty(0), np.empty(0), "line", color, shape)
    low, high = max(x[0] for x, _ in found), min(x[-1] for x, _ in found)
    every = np.unique(np.concatenate([x for x, _ in found]))
    places = every[(every >= low) & (every <= high)]
    places = places[np.unique(np.linspace(0, len(places) - 1, min(len(places), _POINTS)).astype(int))]
    table = np.array([np.interp(places, x, y) for x, y in found])
    return Series(name, places, table.mean(0), "line", color, shape, table.min(0), table.max(0))


def _label(configs: Sequence[RunConfig], path: str) -> str:
    """`Train: Learning rate`: the part of the form, and what it calls the field, where that is not the part itself."""
    *parents, name = path.split(".")
    owner: BaseModel = value_at(configs[0], ".".join(parents)) if parents else configs[0]
    label = title(type(owner), name)
    part = title(type(configs[0]), parents[0]) if parents else label
    return label if label == part else f"{part}: {label}"


def _said(config: RunConfig, path: str, configs: Sequence[RunConfig]) -> str:
    """A value in words; of a member of an axis its name, and which of its options differ among the runs."""
    if path == "adapter.method":
        return config.method_label
    value = value_at(config, path)
    if isinstance(value, Component):
        others = [value_at(one, path) for one in configs]
        alike = [one for one in others if type(one) is type(value)]
        options = sorted({name for one, other in pairwise(alike) for name in difference(one, other)})
        return ", ".join([value.label, *(f"{title(type(value), one)} {_text(getattr(value, one))}" for one in options)])
    return _text(value)


def _text(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "on" if value else "off"
        case int() | float():
            return f"{value:g}"
        case tuple() | list():
            parts = [str(part) for part in value]
            return ", ".join(parts) if len(parts) <= 6 else f"{len(parts)}: {', '.join(parts[:4])} …"
        case dict():
            return f"{len(value)} set by name" if value else "none"
    return str(value) or "–"
