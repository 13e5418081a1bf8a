"""Plain gradient descent with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.component import option
from core.optim.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from torch.optim import Optimizer as TorchOptimizer


class SGD(Optimizer):
    """Gradient descent with momentum: half of AdamW's state, and a step as large as the gradient.

    Learning rates are some thousand times AdamW's. For adapters it is a yardstick rather than a choice.
    """

    kind = "sgd"
    label = "SGD with momentum"

    momentum: float = option(0.9, "Momentum", "Memory of the mean of the gradient; 0 keeps none.", ge=0, lt=1)

    def build(self, groups: list[dict[str, Any]]) -> TorchOptimizer:
        from torch.optim import SGD as TorchSGD

        return TorchSGD(groups, momentum=self.momentum)

    def bytes_per_parameter(self) -> float:
        return 4.0 if self.momentum else 0.0
