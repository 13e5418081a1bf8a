"""What a worker can be asked to do: rows that it reads between two optimizer steps."""

from __future__ import annotations

from enum import StrEnum


class Command(StrEnum):
    """A request to a running worker. The last one wins where two contradict."""

    STOP = "stop"
    """Checkpoint, then end."""
    PAUSE = "pause"
    """Wait after this step, keeping everything in memory."""
    RESUME = "resume"
    """Go on after a pause."""
    CHECKPOINT = "checkpoint"
    """Save a checkpoint now."""
    EVALUATE = "evaluate"
    """Measure the held-out loss now."""
    SAMPLE = "sample"
    """Answer the sample prompts now."""
