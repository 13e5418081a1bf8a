"""What turns gradients into steps."""

from core.component import Axis
from core.optim.optimizers.adamw import AdamW
from core.optim.optimizers.adamw_8bit import AdamW8bit
from core.optim.optimizers.optimizer import Optimizer
from core.optim.optimizers.paged_adamw_8bit import PagedAdamW8bit
from core.optim.optimizers.paged_adamw_32bit import PagedAdamW32bit
from core.optim.optimizers.sgd import SGD

OPTIMIZERS: Axis[Optimizer] = Axis("optimizer", "Optimizer", AdamW, AdamW8bit, PagedAdamW32bit, PagedAdamW8bit, SGD)

__all__ = ["OPTIMIZERS", "Optimizer"]
