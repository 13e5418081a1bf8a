"""What Adam has, in whatever precision its state is kept."""

from core.component import option
from core.optim.optimizers.optimizer import Optimizer


class Adam(Optimizer):
    """Steps that follow the mean of the gradient over the root of the mean of its square, whatever its scale."""

    provides = frozenset({"scale_free"})

    beta1: float = option(0.9, "Beta 1", "Memory of the mean of the gradient.", ge=0, lt=1, advanced=True)
    beta2: float = option(0.999, "Beta 2", "Memory of its square.", ge=0, lt=1, advanced=True)
    epsilon: float = option(1e-8, "Epsilon", "Keeps the division away from zero.", gt=0, advanced=True)
