"""Waiting for what another process does: as long as it needs, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, seconds: float = 120.0) -> None:
    """Return once the condition holds.

    Raises:
        AssertionError: it did not within so many seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
