"""How the learning rate of a method stands beside plain LoRA's.

A rate that suits LoRA drives a start that is a part of the weight astray, and hardly moves a pair of vectors. So a
member says by how much its paper's rate differs (`Component.pace`). The window keeps that proportion when another
member is chosen, whatever rate the user has found for this model; a run file that leaves the rate at LoRA's is warned
of. Nothing is ever changed behind a run file's back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from core.adapters.names import CUSTOM
from core.config.combine import members
from core.config.edit import replaced
from core.config.run import RunConfig, TrainConfig
from core.problem import Problem

RATE = "train.learning_rate"
FAR = 4.0
"""How many times too fast or too slow a rate must be to be warned of."""


def pace(config: RunConfig) -> float:
    """What the run's members together say their learning rate is, in units of plain LoRA's."""
    return float(f"{math.prod(member.pace for member in members(config).values()):.3g}")


def at_pace(before: RunConfig, after: RunConfig) -> RunConfig:
    """The configuration with the learning rate moved as far as its members' pace differs from those of before."""
    share = pace(after) / pace(before)
    return after if share == 1 else replaced(after, {RATE: float(f"{after.train.learning_rate * share:.6g}")})


def told(config: RunConfig) -> str:
    """A sentence on the pace; empty where it is plain LoRA's."""
    found = pace(config)
    if found == 1:
        return ""
    return f"Takes about {f'{found:g} times' if found > 1 else f'1/{1 / found:g} of'} LoRA's learning rate."


def untouched(config: RunConfig) -> Iterator[Problem]:
    """A warning where the rate was left at LoRA's usual one, though the members want a very different one."""
    usual, found = TrainConfig().learning_rate, pace(config)
    if config.train.learning_rate == usual and not 1 / FAR < found < FAR:
        who = config.method_label if config.method_label != CUSTOM else "This combination"
        text = (
            f"{who} learns best at about {found:g} times LoRA's learning rate; {usual:g} is LoRA's: "
            f"{'nothing much will be learned' if found > 1 else 'the loss may rise instead of falling'}."
        )
        yield Problem(RATE, text, f"Set {RATE} to about {usual * found:g}.", blocking=False)
