"""How a run's status is written and coloured, everywhere alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.state import Status

if TYPE_CHECKING:
    from core.store.rows import RunRow

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
_ENDED_EARLY = (Status.STOPPED, Status.FAILED, Status.LOST)


def way_on(row: RunRow, status: Status) -> tuple[str, str, bool]:
    """What a run that ended early can do, as a button: its text, its name, and whether there is such a thing.

    Without a checkpoint there is nothing to resume from: the run starts at its first step again.
    """
    offered = status in _ENDED_EARLY
    if row.state.checkpoint is not None:
        return "Resume", "Go on from the newest checkpoint", offered
    return "Start again", "Start this run again from its first step", offered
