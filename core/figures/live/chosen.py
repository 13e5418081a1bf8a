"""What a probe found and chose: every candidate's share of the importance, and which were kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.events import LayersChosen
from core.figures.figure import Axis, Bars
from core.figures.live.figure import LiveFigure, Span
from core.figures.names import matrix_name

if TYPE_CHECKING:
    from core.figures.trace import Trace

KEPT, LEFT_OUT = 0.72, 0.32
"""Where the two kinds of bars lie on the colour scale."""


@dataclass(frozen=True, kw_only=True)
class Chosen(LiveFigure):
    """The layers of the newest `LayersChosen`, most important first; those kept are bright and marked."""

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Bars:
        value = Axis("Share of the importance", "%")
        found = [event for _, event in trace.events if isinstance(event, LayersChosen)]
        if not found:
            return Bars(self.title, value, (), np.empty(0), help=self.told)
        importance, kept = found[-1].importance, set(found[-1].kept)
        order = sorted(importance, key=lambda name: -importance[name])
        said = f"{len(kept)} of {len(order)} layers kept. {self.told}"
        return Bars(
            self.title, value, tuple(f"{'✓' if name in kept else ' '} {_short(name)}" for name in order),
            np.array([100 * importance[name] for name in order]),
            tuple(f"{name} ({'kept' if name in kept else 'not kept'})" for name in order),
            np.array([KEPT if name in kept else LEFT_OUT for name in order]), said,
        )  # fmt: skip


def _short(name: str) -> str:
    """`19.q_proj`: candidates are known by name alone, as some of them may have no adapter any more."""
    return matrix_name(name, next((int(part) for part in name.split(".") if part.isdigit()), None))
