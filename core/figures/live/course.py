"""Scalars of a member's own, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.figures.figure import Axis, Lines, Series
from core.figures.live.figure import LiveFigure, Span
from core.figures.run import STEP, finite, floats

if TYPE_CHECKING:
    from core.figures.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Course(LiveFigure):
    """`of`: curve to its name. `whole`: whether its steps are the run's, not a stage of its own."""

    of: Mapping[str, str] = field(default_factory=dict)
    value: Axis
    whole: bool = True

    @property
    def curves(self) -> tuple[str, ...]:
        return tuple(self.of)

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Lines:
        colors = ("blue", "amber", "series:2", "series:3")
        series = [
            Series(name, floats(trace.curve(key).steps), finite(trace.curve(key).values), "line", colors[place % 4])
            for place, (key, name) in enumerate(self.of.items())
            if len(trace.curve(key))
        ]
        return Lines(self.title, STEP, self.value, tuple(series), (), span if self.whole else None, self.told)
