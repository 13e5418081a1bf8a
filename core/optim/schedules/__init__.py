"""The learning rate over the run, as a factor between 0 and 1 after the warm-up."""

from core.component import Axis
from core.optim.schedules.constant import Constant
from core.optim.schedules.cosine import Cosine
from core.optim.schedules.linear import Linear
from core.optim.schedules.schedule import Schedule, factor

SCHEDULES: Axis[Schedule] = Axis("schedule", "Schedule", Cosine, Linear, Constant)

__all__ = ["SCHEDULES", "Schedule", "factor"]
