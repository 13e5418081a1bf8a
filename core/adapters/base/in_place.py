"""Delta-LoRA as its algorithm box has it: the numbers of the weight are changed after every step.

They are changed in a float32 copy that the layer computes with, so that small increments are not lost where the model
is in bfloat16, and so that the frozen weight is still there when the adapter is switched off. The copy is saved with
the adapter: a run that goes on has the very weights it had. By the telescoping sum it is, up to rounding, what
`core.adapters.base.delta` works out without any copy.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Param
from core.adapters.base.following import Following, Follows
from core.callback import Callback
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor

    from core.adapters.adapted import Adapted
    from core.adapters.attach import Adapters
    from core.config.run import RunConfig


class DeltaInPlace(Follows):
    """Delta-LoRA with the change written into the weights after every step, as the paper has it (arXiv:2309.02411).

    It computes what the other form computes, up to rounding, without that one's extra products, but keeps a second copy
    of every chosen weight in memory and in each checkpoint. With Adam and a start at 0 it equals LoRA with
    alpha * (1 + ratio): compare with that.
    """

    kind = "delta-in-place"
    label = "Written into the weight (Delta-LoRA)"
    needs = Follows.needs | {"both_factors", "float_base"}
    because = MappingProxyType(
        {
            **Follows.because,
            "both_factors": "what is written into a second copy of the weight is the product of the two; the other "
            "form of Delta-LoRA follows others without a copy",
            "float_base": "increments are written into the weight, and codes of few bits have no room for them; the "
            "other form of Delta-LoRA works over them",
        }
    )

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        shape = (plan.layer.out_features, plan.layer.in_features)
        return {**super().params(plan), "moved": Param(shape, role="weight", trainable=False)}

    def begin(self, layer: Adapted) -> None:
        import torch

        with torch.no_grad():
            layer.own["moved"].copy_(layer.base_weight())

    def weight(self, layer: Adapted) -> Tensor:
        moved: Tensor = layer.own["moved"]
        return moved

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Moving(self.ratio, self.first_step(config), adapters)]


class Moving(Following):
    """Adds to each weight what the step changed in the adapter's product, from the factors before and after it."""

    def __init__(self, ratio: float, begin: int, adapters: Adapters) -> None:
        super().__init__(ratio, begin, adapters)
        self.before: dict[str, tuple[Tensor, Tensor]] = {}

    def before_optimizer(self) -> None:
        self.before = {
            name: (layer.own["b"].detach().clone(), layer.own["a"].detach().clone())
            for name, layer in self.layers.items()
            if layer.carry
        }

    def after_optimizer(self) -> None:
        import torch

        with torch.no_grad():
            for name, (b, a) in self.before.items():
                layer = self.layers[name]
                factor = layer.carry * layer.scale
                layer.own["moved"].addmm_(layer.own["b"], layer.own["a"], alpha=factor).addmm_(b, a, alpha=-factor)
        self.before = {}
