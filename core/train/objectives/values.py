"""Giving texts a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.metrics.values import pearson
from core.train.objectives.objective import judged_inputs

if TYPE_CHECKING:
    from core.data.batches import Batch


class ValueLoss:
    """Sum of the squared errors of a batch's texts.

    Args:
        model: with a head that gives one number, (texts, 1).
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self._predicted: list[Tensor] = []
        self._actual: list[Tensor] = []

    def __call__(self, batch: Batch) -> Tensor:
        """The sum over the texts, a float32 scalar."""
        assert batch.goals is not None
        actual = batch.goals.to(self.device)
        given = self.model(**judged_inputs(batch, self.device)).logits.float().squeeze(1)
        self._predicted.append(given.detach())
        self._actual.append(actual)
        return functional.mse_loss(given, actual, reduction="sum")

    def figures(self, *, whole: bool) -> dict[str, float]:
        """Pearson's correlation, of all held-out texts."""
        if not self._actual:
            return {}
        predicted, actual = (
            torch.cat(some).cpu().numpy().astype(np.float64) for some in (self._predicted, self._actual)
        )
        self._predicted, self._actual = [], []
        return {"pearson": pearson(predicted, actual)} if whole else {}
