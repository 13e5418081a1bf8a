"""How work that takes a while says what it is busy with, to the window as to a terminal or a log."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str, float | None], None]
"""Takes what is being done, in words, and the share of it that is done, from 0 to 1, where that is known; may raise
`Cancelled` to end it."""


def silent(text: str, share: float | None) -> None:
    """For work that nobody watches."""
