"""How a run's status is written and coloured, everywhere alike."""

from __future__ import annotations

from core.state import Status

WORDS: dict[Status, tuple[str, str]] = {
    Status.QUEUED: ("Queued", "muted"),
    Status.STARTING: ("Starting", "blue"),
    Status.RUNNING: ("Running", "accent"),
    Status.PAUSED: ("Paused", "amber"),
    Status.FINISHED: ("Finished", "accent"),
    Status.STOPPED: ("Stopped", "muted"),
    Status.FAILED: ("Failed", "red"),
    Status.LOST: ("Lost", "amber"),
}
"""Status to its word and tone."""
