"""What a run lowers: one small class for each task, with the face of `Objective`; the trainer knows none by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from core.adapters.attach import Adapters
from core.config.run import RunConfig
from core.train.loss import TokenLoss
from core.train.objectives.classes import ClassLoss
from core.train.objectives.objective import Objective
from core.train.objectives.preference import PreferenceLoss
from core.train.objectives.values import ValueLoss

OBJECTIVES: Mapping[str, Callable[[nn.Module, Adapters, RunConfig], Objective]] = {
    "causal-lm": lambda model, adapters, config: TokenLoss(model),
    "sequence-classification": lambda model, adapters, config: ClassLoss(
        model, adapters.labels, config.data.label_weights
    ),
    "regression": lambda model, adapters, config: ValueLoss(model),
    "preference": lambda model, adapters, config: PreferenceLoss(model, adapters, beta=config.train.beta),
}
"""Task to what makes its objective."""

__all__ = ["OBJECTIVES", "Objective"]
