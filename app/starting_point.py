"""What the window offers to somebody who has nothing yet: a model and data that came with the program.

One click fills the whole configuration with settings that are known to work on a processor alone: on two cores SmolLM2
learns the form of the Devil's Dictionary in about two minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.models.packs import PACKS
from core.models.catalog import embedded_model, tiny_model

DEVIL = PACKS[0]
PROMPTS = ("Define the noun “politics”.", "Define the noun “peace”.")
"""Words that are not among the examples."""


def is_small(path: Path) -> bool:
    """Whether it is the tiny model, which learns that a loss falls and not much more."""
    return path.resolve() == tiny_model().resolve()


def starting_point(model: Path | None = None) -> dict[str, Any]:
    """The values of a first run, by dotted path.

    Args:
        model: the base model; the embedded one by default.
    """
    model = model or embedded_model()
    steps, rate = (60, 5e-3) if is_small(model) else (32, 2e-3)
    return {
        "model.path": str(model),
        **DEVIL.chosen(),
        "data.max_tokens": 160,
        "adapter.method": "lora",
        "adapter.rank": 8,
        "adapter.alpha": 16.0,
        "adapter.layers": "all-linear",
        "train.steps": steps,
        "train.batch": 8,
        "train.learning_rate": rate,
        "train.evaluate_every": steps // 4,
        "train.checkpoint_every": steps // 2,
        "train.prompts": PROMPTS,
        "train.sample_tokens": 32,
    }
