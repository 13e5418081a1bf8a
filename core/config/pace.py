"""How the learning rate and the rank of a method stand beside plain LoRA's.

A rate that suits LoRA drives a start that is a part of the weight astray, and hardly moves a pair of vectors; and of
the random directions that those weigh, eight are far too few. So a member says by how much its paper's rate and rank
differ (`Component.pace`, `Component.breadth`). The window keeps that proportion when another member is chosen, whatever
rate and rank the user has found for this model; a run file that leaves them at LoRA's is warned of. Nothing is ever
changed behind a run file's back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from core.adapters.names import CUSTOM
from core.config.combine import members
from core.config.edit import replaced
from core.config.run import MOST_RANK, AdapterConfig, RunConfig, TrainConfig
from core.problem import Problem

RATE, RANK = "train.learning_rate", "adapter.rank"
FAR = 4.0
"""How many times too fast or too slow a rate must be, or how many times too small a rank, to be warned of."""


def pace(config: RunConfig) -> float:
    """What the run's members together say their learning rate is, in units of plain LoRA's."""
    return float(f"{math.prod(member.pace for member in members(config).values()):.3g}")


def breadth(config: RunConfig) -> float:
    """What they say their rank is, in units of plain LoRA's."""
    return math.prod(member.breadth for member in members(config).values())


def at_pace(before: RunConfig, after: RunConfig) -> RunConfig:
    """The configuration with learning rate and rank moved as far as its members' differ from those of before."""
    values: dict[str, Any] = {}
    if (share := pace(after) / pace(before)) != 1:
        values[RATE] = float(f"{after.train.learning_rate * share:.6g}")
    if (share := breadth(after) / breadth(before)) != 1:
        values[RANK] = min(max(1, round(after.adapter.rank * share)), MOST_RANK)
    return replaced(after, values) if values else after


def told(config: RunConfig) -> str:
    """A sentence on them; empty where they are plain LoRA's."""
    rate, rank = pace(config), breadth(config)
    found = [f"{_times(rate)} LoRA's learning rate"] if rate != 1 else []
    found += [f"{_times(rank)} its rank"] if rank != 1 else []
    return f"Takes about {' and '.join(found)}." if found else ""


def _times(found: float) -> str:
    return f"{found:g} times" if found > 1 else f"1/{1 / found:g} of"


def untouched(config: RunConfig) -> Iterator[Problem]:
    """A warning where rate or rank was left at LoRA's usual one, though the members want a very different one."""
    usual, found = TrainConfig().learning_rate, pace(config)
    who = config.method_label if config.method_label != CUSTOM else "This combination"
    if config.train.learning_rate == usual and not 1 / FAR < found < FAR:
        text = (
            f"{who} learns best at about {found:g} times LoRA's learning rate; {usual:g} is LoRA's: "
            f"{'nothing much will be learned' if found > 1 else 'the loss may rise instead of falling'}."
        )
        yield Problem(RATE, text, f"Set {RATE} to about {usual * found:g}.", blocking=False)
    narrow, wide = AdapterConfig().rank, breadth(config)
    if config.adapter.rank == narrow and wide >= FAR:
        text = f"{who} takes about {wide:g} times LoRA's rank; {narrow} is LoRA's: little can be learned."
        yield Problem(RANK, text, f"Set {RANK} to about {narrow * wide:g}.", blocking=False)
