"""What is lost without each layer's adapter: the only score that asks the held-out loss itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from core.figures.live.of_task import LOSS_UNITS
from core.insight.importance.score import Planted, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.adapters.adapted import Adapted
    from core.data.batches import Batch
    from core.insight.importance.subject import Subject


class Ablation(Score):
    """The rise of the held-out loss when this one layer's adapter is switched off (below zero: it is better off).

    It tells what each adapter is worth among all the others. Layers that can stand in for one another look worthless.
    """

    kind = "ablation"
    label = "Loss without it"
    finds_planted: ClassVar[Planted] = Planted.FIRST
    found_because: ClassVar[str] = "The loss rises without them, and hardly without any other."

    def unit(self, task: str) -> str:
        return LOSS_UNITS[task]

    def measure(self, subject: Subject) -> NDArray[np.float64]:
        return without(subject, [[layer] for layer in subject.layers])


def by_block(subject: Subject) -> dict[int, float]:
    """The rise of the held-out loss when all adapters of a block are switched off, by block."""
    blocks: dict[int, list[Adapted]] = {}
    for layer in subject.layers:
        if layer.plan.layer.block is not None:
            blocks.setdefault(layer.plan.layer.block, []).append(layer)
    rises = without(subject, blocks.values())
    return {block: float(rise) for block, rise in zip(blocks, rises, strict=True)}


def without(subject: Subject, groups: Iterable[Iterable[Adapted]]) -> NDArray[np.float64]:
    """The rise of the loss without each group of adapters, (groups,), on held-out examples where there are."""
    import numpy as np

    sets = [list(group) for group in groups]
    batches = subject.training.held_out or subject.batches
    found = np.zeros(len(sets))
    with subject.still():
        whole = _loss(subject, batches)
        for place, layers in enumerate(sets):
            subject.progress(place / len(sets))
            for layer in layers:
                layer.enabled = False
            try:
                found[place] = _loss(subject, batches) - whole
            finally:
                for layer in layers:
                    layer.enabled = True
    return found


def _loss(subject: Subject, batches: Iterable[Batch]) -> float:
    """Mean over the trained tokens, by their weights."""
    import torch

    total, counted = 0.0, 0.0
    with torch.no_grad(), subject.training.precision.autocast():
        for batch in batches:
            total += float(subject.training.objective(batch))
            counted += batch.counted
    return total / (counted or 1)
