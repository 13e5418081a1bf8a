"""Which live figures a run has: those of its task, and those that the members of its axes declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.config.combine import members
from core.figures.live.of_task import TASK_FIGURES

if TYPE_CHECKING:
    from core.config.run import RunConfig
    from core.figures.live.figure import LiveFigure


def own_figures(config: RunConfig) -> tuple[LiveFigure, ...]:
    """The figures of the run's task, then those of its own members, axis by axis, none twice."""
    found = {figure.key: figure for figure in TASK_FIGURES.get(config.task, ())}
    found |= {figure.key: figure for member in members(config).values() for figure in member.shows}
    return tuple(found.values())
