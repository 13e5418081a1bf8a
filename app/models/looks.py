"""What one can look at inside runs: which job answers it, of how many runs, and which of its figures are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.figures.figure import Heatmap, Lines
from core.figures.wire import decode

MOST_CURVES = 4
"""Curves that can be told apart in the room there is."""
EVERY_RANK = "every_rank"
"""What a rank schedule provides whose adapters can be cut to any rank."""


@dataclass(frozen=True)
class What:
    """Something to look at.

    Attributes:
        text, name: of its chip, for the eye and in full.
        says: one sentence on what one will see.
        figures: those that are shown, in reading order; the first has the most room. One that ends with an asterisk
            stands for one of each run.
        runs: how many it is about, at least and at most.
        moments: whether it can be followed through the checkpoints.
        what: the figure that the worker is asked for; by default its own key.
        options: names of the options that it has.
        matrices: whether it can only be asked of runs that train matrices.
    """

    text: str
    name: str
    says: str
    figures: tuple[str, ...]
    runs: tuple[int, int] = (1, 1)
    moments: bool = True
    what: str = ""
    options: tuple[str, ...] = ()
    matrices: bool = True


WHATS: Mapping[str, What] = {
    "spectra": What(
        "Spectrum", "Singular values and effective rank",
        "The singular values of what each adapter adds, and how much of the given rank is used.",
        ("singular_values", "effective_rank"), matrices=False,
    ),
    "ranks": What(
        "Ranks", "Ranks by block and role",
        "The rank that each layer has in the end (AdaLoRA deals them out while it trains), and how much of it is used.",
        ("rank_map", "used_map"), what="spectra", matrices=False,
    ),
    "every_rank": What(
        "Loss by rank", "Held-out loss at every rank",
        "The held-out loss of a DyLoRA adapter cut to each rank: how much rank is worth its size.",
        ("every_rank",), moments=False,
    ),
    "amplified": What(
        "Amplification", "What the update amplifies",
        "Whether the update stresses directions that the base weight has but does not use.",
        ("factor", "amplification"), options=("rank",),
    ),
    "movement": What(
        "Length and direction", "Change of length against change of direction",
        "How the rows of each weight have turned and grown, at every checkpoint; up to three runs side by side: LoRA, "
        "DoRA and full fine-tuning of the same data.",
        ("movement*", "trend"), runs=(1, 3),
    ),
    "subspaces": What(
        "Shared subspace", "Which directions two runs share",
        "Whether two runs (other ranks, seeds or methods) have found the same directions.",
        ("phi", "diagonal", "shared"), runs=(2, 2), options=("of", "layer"),
    ),
    "agreement": What(
        "Agreement", "Where the updates of two runs agree",
        "Where on the map the updates of two runs point the same way.", ("agreement_map", "agreement"), runs=(2, 2),
    ),
}  # fmt: skip
OPTIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "rank": ("How many directions", {"all directions": None, **{f"r = {rank}": rank for rank in (1, 4, 8, 16, 64)}}),
    "of": (
        "Whose directions",
        {"what dW reads": "reads", "what dW writes": "writes", "A, as in the paper": "a", "A less its start": "moved"},
    ),
    "layer": ("Which layer is drawn", {"the most alike": ""}),
}  # fmt: skip
"""The options of a question: what they are called, and their values by name."""


def shown(what: What, figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a moment in reading order; of what the worker sent only they are read.

    Of one run's movement the trend of the whole stands above that of each layer.
    """
    found: dict[str, Any] = {}
    for name in what.figures:
        stem = name.removesuffix("*")
        named = [key for key in figures if key == stem or (stem != name and key.startswith(f"{stem}_"))]
        found |= {key: decode(figures[key]) for key in named}
    if "trend" in found and len(found["trend"].rows) == 1:
        whole, each = found["trend"], decode(figures["by_layer_trend"])
        values = np.concatenate([whole.values, each.values])
        found["trend"] = replace(each, rows=("all layers", *each.rows), values=values)
    return {name: _readable(figure) for name, figure in found.items()}


class Frames:
    """The figures of each moment of an answer, read when they are looked at.

    Maps are coloured alike: a colour means one number whatever the moment.
    """

    def __init__(self, what: What, sent: Sequence[Mapping[str, Any]]) -> None:
        self._what, self._sent = what, sent
        maps = {
            name: figure for name, figure in shown(what, sent[-1]["figures"]).items() if isinstance(figure, Heatmap)
        }
        self._ends = {name: self._ends_of(name, figure) for name, figure in maps.items()}

    def __getitem__(self, place: int) -> dict[str, Any]:
        found = shown(self._what, self._sent[place]["figures"])
        return {name: replace(one, ends=self._ends[name]) if name in self._ends else one for name, one in found.items()}

    def _ends_of(self, name: str, figure: Heatmap) -> tuple[float, float] | None:
        """What the ends of the colours mean, of the values of all moments; None where none is known."""
        sent = [moment["figures"][name]["values"] for moment in self._sent if name in moment["figures"]]
        values = np.concatenate([decode(one).ravel() for one in sent])
        good = values[np.isfinite(values)]
        return figure.range(float(good.min()), float(good.max())) if len(good) else figure.ends


def _readable(figure: Any) -> Any:
    """As many curves as can be told apart; they come in the order of how far they moved."""
    if isinstance(figure, Lines) and len(figure.series) > MOST_CURVES:
        return replace(figure, series=figure.series[:MOST_CURVES])
    return figure
