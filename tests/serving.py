"""The warm worker in the test's own process: what waits is done, and then it ends, as its window has gone."""

from __future__ import annotations

from collections.abc import Mapping

from core import service
from core.home import Home

GONE = 2**31 - 1
"""A number that no process has."""


def do_jobs(home: Home, handlers: Mapping[str, str] = service.HANDLERS) -> None:
    """Do every job that waits in the home."""
    assert service.main(home, parent=GONE, handlers=handlers) == 0
