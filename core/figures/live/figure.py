"""What all live figures have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.figures.figure import Figure

if TYPE_CHECKING:
    from core.figures.trace import Trace

Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class LiveFigure:
    """A figure of a run, made anew from what was measured.

    Attributes:
        key: its name for the program, once in all axes.
        title: its name for people.
        help: how to read it, one or two sentences.
        paper: arXiv id, where there is one.
    """

    key: str
    title: str
    help: str
    paper: str = ""

    @property
    def vectors(self) -> tuple[str, ...]:
        """The numbers per layer that it is made from."""
        return ()

    @property
    def curves(self) -> tuple[str, ...]:
        """The scalars that it is made from."""
        return ()

    @property
    def told(self) -> str:
        """How to read it, with its paper."""
        return f"{self.help} arXiv:{self.paper}" if self.paper else self.help

    def draw(self, trace: Trace, *, span: Span | None = None, mark: float | None = None) -> Figure:
        """The figure.

        Args:
            trace: the run, with `vectors` and `curves` read.
            span: first and last step of the whole run, for what goes over steps.
            mark: the step that the user looks at; None for the newest.
        """
        raise NotImplementedError
