"""LoRA-GA: the adapter starts along the gradient that full fine-tuning would begin with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Found, Scale
from core.adapters.init.subtracted import Offset
from core.component import option
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor

    from core.adapters.sight import Sight

ROOM = 2**28
"""Numbers of gradients that are held at once (1 GiB); layers beyond that wait for another pass over the batches."""
OVERSAMPLED = 2
"""How many times as many directions are searched as are used."""


class LoraGa(Offset):
    """Starts along the weight's own gradient, so that first steps go where full fine-tuning would (arXiv:2407.05000).

    The gradient is that of a few batches, worked out before the training. A takes the r main directions of its rows, B
    the next r of its columns; their product is taken out of the weight, so the first output is the base model's. Takes
    a tenth of LoRA's learning rate. The exported LoRA has rank 2r.
    """

    kind = "lora-ga"
    label = "Along the first gradient (LoRA-GA)"
    paper = "2407.05000"
    because = MappingProxyType(
        {
            **Offset.because,
            "float_base": "it starts along the gradient of the weight itself, in full precision; start on the dense "
            "model instead",
        }
    )

    batches: int = option(4, "Batches", "The gradient is that of so many batches together.", unit="batches", ge=1)
    gamma: float = option(
        16.0, "Size γ", "Both factors start with the fourth root of the outputs over √γ: larger starts smaller.", gt=0
    )

    def looks(self) -> int:
        return self.batches

    def seen(self, sight: Sight, plans: Sequence[LayerPlan], scale: Scale) -> Found:
        from core.adapters.init.leading import leading

        values: dict[str, Tensor] = {}
        groups = list(_rooms(plans))
        for number, group in enumerate(groups):

            def tell(share: float, done: int = number) -> None:
                sight.tell((done + share) / len(groups))

            gradients = _gradients(sight, group, tell)
            # A layer that no token went through keeps the start it has.
            for plan in [plan for plan in group if plan.name in gradients]:
                width = 2 * OVERSAMPLED * plan.rank
                u, _, vh = leading(gradients.pop(plan.name), width)
                values |= self._started(plan, u, vh)
        return Found(plans, values)

    def _started(self, plan: LayerPlan, u: Tensor, vh: Tensor) -> dict[str, Tensor]:
        """A layer's first values, from the directions of its gradient; where it has too few, B has columns of zeros."""
        rank, size = plan.rank, plan.layer.out_features**0.25 / math.sqrt(self.gamma)
        a, b = vh.new_zeros(rank, vh.shape[1]), u.new_zeros(len(u), rank)
        first = vh[:rank]
        a[: len(first)] = first * size
        second = u[:, rank : 2 * rank]
        b[:, : second.shape[1]] = second * size
        name = plan.name
        return {f"{name}.a": a, f"{name}.b": b, f"{name}.start_a": a, f"{name}.start_b": b}


def _rooms(plans: Sequence[LayerPlan]) -> Iterator[list[LayerPlan]]:
    """The plans in groups whose gradients may be held together."""
    group: list[LayerPlan] = []
    for plan in plans:
        if group and sum(one.layer.parameters for one in group) + plan.layer.parameters > ROOM:
            yield group
            group = []
        group.append(plan)
    if group:
        yield group


def _gradients(sight: Sight, plans: Sequence[LayerPlan], tell: Callable[[float], None]) -> dict[str, Tensor]:
    """The gradient of each layer's weight for the losses of all batches together, (out, in) float32."""
    found: dict[str, Tensor] = {}

    def hear(name: str, gradient: Tensor, rows: Tensor) -> None:
        if name in found:
            found[name].addmm_(gradient.T, rows)
        else:
            found[name] = gradient.T @ rows

    for place, batch in enumerate(sight.batches):
        tell(place / len(sight.batches))
        sight.gradients(batch, [plan.name for plan in plans], hear)
    return found
