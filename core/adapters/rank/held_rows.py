"""Holding back the rows of low-rank factors that a step does not use, whatever the optimizer remembers of them.

A row without a gradient still moves under AdamW: by the momentum of earlier steps, and by decay. Here such rows, and
what the optimizer keeps of them, are put back after each step. The rows in use then move as if theirs were the only
steps there ever were: AdamW divides its young averages by how many steps have entered them, which is each row's own
number of steps and not the run's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from core.adapters.attach import Adapters
from core.errors import UserError

MEANS = ("exp_avg", "exp_avg_sq", "momentum_buffer")
"""What these optimizers keep of a parameter, number by number."""


class HeldRows:
    """Puts back, after an optimizer's step, the rows that it should not have moved.

    Args:
        adapters: whose factors.
        optimizer: that moves them.

    Raises:
        UserError: the optimizer keeps its state in another form than number by number.
    """

    def __init__(self, adapters: Adapters, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, AdamW | SGD):
            raise UserError(
                "Rows that are not in use can be held back with AdamW in 32 bits and with SGD only.",
                hint="Set train.optimizer to adamw, or adapter.rank_schedule.leak to allow.",
                path="train.optimizer",
            )
        self.optimizer = optimizer
        self.factors: dict[tuple[str, str], tuple[Tensor, int]] = {}
        for name, layer in adapters.layers.items():
            for key, parameter in layer.own.items():
                dim = layer.declared[key].rank_dim
                if parameter.requires_grad and dim is not None:
                    self.factors[name, key] = parameter, dim
        self.steps = {
            place: torch.zeros(parameter.shape[dim], dtype=torch.float64, device=parameter.device)
            for place, (parameter, dim) in self.factors.items()
        }
        """How often each row was moved, by layer and tensor."""
        self.before: dict[tuple[str, str], tuple[Tensor, dict[str, Tensor], float]] = {}

    @torch.no_grad()
    def remember(self) -> None:
        """Before the optimizer's step: all values, and what it keeps of them."""
        for place, (parameter, _) in self.factors.items():
            state = self.optimizer.state.get(parameter, {})
            means = {key: state[key].clone() for key in MEANS if state.get(key) is not None}
            self.before[place] = parameter.clone(), means, float(state.get("step", 0))

    @torch.no_grad()
    def put_back(self, used: Mapping[str, slice]) -> None:
        """After it: only the used rows of each layer have moved, each as of its own number of steps."""
        groups = {id(parameter): group for group in self.optimizer.param_groups for parameter in group["params"]}
        for place, (parameter, dim) in self.factors.items():
            values, means, steps = self.before.pop(place)
            state = self.optimizer.state.get(parameter, {})
            if "step" in state and float(state["step"]) == steps:
                continue  # The whole step was left out, because a gradient was infinite.
            rows, counted = used[place[0]], self.steps[place]
            counted[rows] += 1
            if "step" in state and bool((counted[rows] != float(state["step"])).any()):
                before = values.movedim(dim, 0)[rows]
                kept = {key: state[key].movedim(dim, 0)[rows] for key in ("exp_avg", "exp_avg_sq")}
                moved = _alone(before, kept["exp_avg"], kept["exp_avg_sq"], counted[rows], groups[id(parameter)])
            else:
                moved = parameter.movedim(dim, 0)[rows].clone()
            parameter.copy_(values)
            parameter.movedim(dim, 0)[rows] = moved
            for key in MEANS:
                if state.get(key) is not None:
                    mean = state[key].movedim(dim, 0)
                    new = mean[rows].clone()
                    mean.copy_(means[key].movedim(dim, 0) if key in means else torch.zeros_like(mean))
                    mean[rows] = new


def _alone(values: Tensor, mean: Tensor, square: Tensor, steps: Tensor, group: Mapping[str, Any]) -> Tensor:
    """Where AdamW takes rows (rows, n), or numbers (rows,), that have made so many steps (rows,), this one included.

    Args:
        values: before this step.
        mean, square: the averages of gradient and squared gradient, this step's included.
        steps: of each row.
        group: with rate, betas, epsilon and decay.
    """
    one, two = ((1 - beta**steps).to(mean.dtype).view(-1, *(1,) * (mean.dim() - 1)) for beta in group["betas"])
    decayed = values * (1 - group["lr"] * group["weight_decay"])
    found: Tensor = decayed - group["lr"] * (mean / one) / ((square / two).sqrt() + group["eps"])
    return found
