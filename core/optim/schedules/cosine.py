"""Half a cosine."""

import math

from core.component import option
from core.optim.schedules.schedule import Schedule


class Cosine(Schedule):
    """Falls slowly, then fast, then slowly to the floor: half a cosine (arXiv:1608.03983, without restarts)."""

    kind = "cosine"
    label = "Cosine"
    paper = "1608.03983"

    floor: float = option(0.0, "Floor", "The share of the learning rate that is left at the end.", ge=0, lt=1)

    def at(self, progress: float) -> float:
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * progress))
