"""Sorting texts into classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.metrics.classes import accuracy, f1, matthews
from core.train.objectives.objective import judged_inputs

if TYPE_CHECKING:
    from core.data.batches import Batch


class ClassLoss:
    """Sum of the cross-entropies of a batch's texts, in nats.

    Args:
        model: with a head that gives a score for each class, (texts, classes).
        labels: the names of the classes.
        weights: a class's name to how much each of its texts counts; the others count 1.
    """

    def __init__(
        self, model: nn.Module, labels: Sequence[str] = (), weights: Mapping[str, float] | None = None
    ) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self._weights = (
            torch.tensor([weights.get(name, 1.0) for name in labels], device=self.device) if weights else None
        )
        self._predicted: list[Tensor] = []
        self._actual: list[Tensor] = []
        self._classes = 0

    def __call__(self, batch: Batch) -> Tensor:
        """The sum over the texts, a float32 scalar."""
        assert batch.goals is not None
        actual = batch.goals.to(self.device).long()
        scores: Tensor = self.model(**judged_inputs(batch, self.device)).logits.float()
        self._predicted.append(scores.detach().argmax(dim=1))
        self._actual.append(actual)
        self._classes = scores.shape[1]
        return functional.cross_entropy(scores, actual, weight=self._weights, reduction="sum")

    def figures(self, *, whole: bool) -> dict[str, float]:
        """Accuracy; of all held-out texts F1 and Matthews' correlation as well."""
        if not self._actual:
            return {}
        predicted, actual = (torch.cat(some).cpu().numpy().astype(np.int64) for some in (self._predicted, self._actual))
        self._predicted, self._actual = [], []
        found = {"accuracy": accuracy(predicted, actual)}
        if whole:
            found["f1"] = f1(predicted, actual, self._classes)
            found["matthews"] = matthews(predicted, actual, self._classes)
        return found
