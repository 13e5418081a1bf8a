"""Preferring one answer to another: DPO (arXiv:2305.18290).

The loss of a pair is -log sigmoid(beta * ((log p(chosen) - log q(chosen)) - (log p(rejected) - log q(rejected)))),
where q is the model before the training. That is the frozen base with the adapter switched off, so no second copy is
needed: only a second pass, without gradients and without dropout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.adapters.attach import Adapters
from core.evaluating import evaluating
from core.train.loss import TokenLoss

if TYPE_CHECKING:
    from core.data.batches import Batch


class PreferenceLoss:
    """Sum of the DPO losses of a batch's pairs.

    Args:
        model: with its adapters on.
        adapters: to be switched off for the reference.
        beta: how strongly the model is held to the reference.
    """

    def __init__(self, model: nn.Module, adapters: Adapters, *, beta: float) -> None:
        self.model = model
        self.adapters = adapters
        self.beta = beta
        self.tokens = TokenLoss(model)
        self._rewards: list[Tensor] = []

    def __call__(self, batch: Batch) -> Tensor:
        """The sum over the pairs, a float32 scalar."""
        with torch.no_grad(), self.adapters.disabled(), evaluating(self.model):
            reference = self._answers(batch)
        rewards = self.beta * (self._answers(batch) - reference).view(-1, 2)
        self._rewards.append(rewards.detach())
        return -functional.logsigmoid(rewards[:, 0] - rewards[:, 1]).sum()

    def _answers(self, batch: Batch) -> Tensor:
        """The log-probability of each answer, chosen and rejected in turn, (2 * pairs,) in nats."""
        each, keep = self.tokens.log_probabilities(batch)
        assert batch.texts is not None
        owners = batch.texts.to(each.device)[keep]
        return torch.zeros(len(batch.sources), device=each.device).index_add(0, owners, each)

    def figures(self, *, whole: bool) -> dict[str, float]:
        """Mean rewards of chosen and rejected answers, their margin, and the share of pairs in which it is positive."""
        if not self._rewards:
            return {}
        rewards = torch.cat(self._rewards)
        self._rewards = []
        chosen, rejected = rewards.mean(dim=0).tolist()
        right = (rewards[:, 0] > rewards[:, 1]).float().mean().item()
        return {
            "reward_chosen": chosen,
            "reward_rejected": rejected,
            "reward_margin": chosen - rejected,
            "reward_accuracy": right,
        }
