"""What can only be asked of matrices is refused, in words, for what trains vectors alone (biases, norms)."""

from __future__ import annotations

from core.adapters.selection.vectors import Vectors
from core.config.run import RunConfig
from core.errors import UserError


def without_matrices(config: RunConfig) -> str:
    """Why nothing can be said of directions or of single layers of a configuration; empty where it can."""
    if not isinstance(config.adapter.axis("selection"), Vectors):
        return ""
    return f"{config.method_label} trains vectors (biases or norms), which have no directions and no place on the map."


def need_matrices(config: RunConfig) -> None:
    """Refuse a configuration that trains vectors alone.

    Raises:
        UserError: it does.
    """
    problem = without_matrices(config)
    if problem:
        raise UserError(problem, hint="Choose one that trains matrices. The spectrum shows how far each vector moved.")
