"""AdamW in 32 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.component import option
from core.optim.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from torch.optim import Optimizer as TorchOptimizer


class AdamW(Optimizer):
    """Adam with decoupled weight decay (arXiv:1711.05101), all state in 32 bits."""

    kind = "adamw"
    label = "AdamW"
    paper = "1711.05101"
    provides = frozenset({"scale_free"})

    weight_decay: float = option(
        0.0,
        "Weight decay",
        "Pull of the factors towards zero, per step and learning rate. Vectors are left alone.",
        ge=0,
    )
    beta1: float = option(0.9, "Beta 1", "Memory of the mean of the gradient.", ge=0, lt=1, advanced=True)
    beta2: float = option(0.999, "Beta 2", "Memory of its square.", ge=0, lt=1, advanced=True)
    epsilon: float = option(1e-8, "Epsilon", "Keeps the division away from zero.", gt=0, advanced=True)

    def build(self, groups: list[dict[str, Any]]) -> TorchOptimizer:
        from torch.autograd.graph import increment_version
        from torch.optim import AdamW as TorchAdamW

        parameters = [parameter for group in groups for parameter in group["params"]]
        # One pass over each tensor instead of ten, where torch has that.
        fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
        optimizer = TorchAdamW(groups, betas=(self.beta1, self.beta2), eps=self.epsilon, fused=fused)
        if fused:
            # That pass does not count its changes as others do, and DoRA's norms are kept until one is counted.
            optimizer.register_step_post_hook(lambda *_: increment_version(parameters))
        return optimizer

    def bytes_per_parameter(self) -> float:
        return 8.0
