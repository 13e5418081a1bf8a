"""Parameter groups by role: every trained tensor in exactly one, with a learning rate of its own where asked for.

A group's `ratio` is the factor on the learning rate; the schedule multiplies all rates alike, so ratios survive it.
Vectors (DoRA's magnitudes, VeRA's lambdas) are never decayed: decay would pull whole rows of the weight towards zero.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from core.adapters.attach import Adapters
from core.adapters.axis import ParamRole, Rates
from core.config.run import TrainConfig

DECAYED: frozenset[ParamRole] = frozenset({"a", "b", "weight", "head"})


def groups(adapters: Adapters, train: TrainConfig) -> list[dict[str, Any]]:
    """The optimizer's groups: `params`, `names`, `role`, `ratio`, `lr` (before the schedule) and `weight_decay`."""
    rates = adapters.config.axis("rates")
    assert isinstance(rates, Rates)
    by_role: dict[ParamRole, list[tuple[str, nn.Parameter]]] = {}
    for name, parameter, role in adapters.named_parameters():
        by_role.setdefault(role, []).append((name, parameter))
    ratios = {role: rates.ratio(role) for role in by_role}
    if train.head_learning_rate:
        ratios["head"] = train.head_learning_rate / train.learning_rate
    return [
        {
            "params": [parameter for _, parameter in members],
            "names": [name for name, _ in members],
            "role": role,
            "ratio": ratios[role],
            "lr": train.learning_rate * ratios[role],
            "weight_decay": train.optimizer.weight_decay if role in DECAYED else 0.0,
        }
        for role, members in by_role.items()
    ]
