"""The face that every objective has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from core.data.batches import Batch


class Objective(Protocol):
    """The loss of a batch, and what else it shows."""

    def __call__(self, batch: Batch) -> Tensor:
        """The sum of the batch's `trained` losses, a float32 scalar with its gradient; `Batch.counted` divides it."""

    def figures(self, *, whole: bool) -> dict[str, float]:
        """What the batches since the last call showed beside the loss, by curve key.

        Args:
            whole: whether those were all held-out examples, so that numbers mean something that need many.
        """


def judged_inputs(batch: Batch, device: torch.device) -> dict[str, Any]:
    """What a model that judges texts takes."""
    found: dict[str, Any] = {"input_ids": batch.input_ids.to(device, non_blocking=True)}
    if batch.attention_mask is not None:
        found["attention_mask"] = batch.attention_mask.to(device, non_blocking=True)
    if batch.token_type_ids is not None:
        found["token_type_ids"] = batch.token_type_ids.to(device, non_blocking=True)
    return found
