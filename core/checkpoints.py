"""Where a run's checkpoints lie, and where the adapter in one: for those who write them and those who only read them.

    runs/<id>/checkpoints/step-000100/adapter/

What else is in one, and what it is for, is the training's own business (`core.train.checkpoint`).
"""

from __future__ import annotations

FOLDER = "checkpoints"
ADAPTER = "adapter"


def name(step: int) -> str:
    """The folder's name relative to the run's, with forward slashes."""
    return f"{FOLDER}/step-{step:06d}"
