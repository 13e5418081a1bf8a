"""What turns gradients into steps."""

from core.component import Axis
from core.optim.optimizers.adamw import AdamW
from core.optim.optimizers.optimizer import Optimizer

OPTIMIZERS: Axis[Optimizer] = Axis("optimizer", "Optimizer", AdamW)

__all__ = ["OPTIMIZERS", "Optimizer"]
