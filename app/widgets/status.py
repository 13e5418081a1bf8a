"""How a run's status is written and coloured, everywhere alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.state import Status

if TYPE_CHECKING:
    from PySide6.QtWidgets import QPushButton

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


def offer_way_on(button: QPushButton, row: RunRow, status: Status) -> None:
    """Let a button say what a run that ended early can do, and hide it for every other run.

    Without a checkpoint there is nothing to resume from: the run starts at its first step again.
    """
    saved = row.state.checkpoint is not None
    button.setVisible(status in _ENDED_EARLY)
    button.setText("Resume" if saved else "Start again")
    button.setToolTip("Go on from the newest checkpoint" if saved else "Start this run again from its first step")
