"""Which live figures a run has: those that the members of its axes declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.config.combine import members

if TYPE_CHECKING:
    from core.config.run import RunConfig
    from core.figures.live.figure import LiveFigure


def own_figures(config: RunConfig) -> tuple[LiveFigure, ...]:
    """The figures of the run's own members, axis by axis, none twice."""
    found = {figure.key: figure for member in members(config).values() for figure in member.shows}
    return tuple(found.values())
