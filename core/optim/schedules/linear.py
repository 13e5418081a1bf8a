"""A straight line down."""

from core.component import option
from core.optim.schedules.schedule import Schedule


class Linear(Schedule):
    """Falls in a straight line to the floor."""

    kind = "linear"
    label = "Linear"

    floor: float = option(0.0, "Floor", "The share of the learning rate that is left at the end.", ge=0, lt=1)

    def at(self, progress: float) -> float:
        return self.floor + (1 - self.floor) * (1 - progress)
