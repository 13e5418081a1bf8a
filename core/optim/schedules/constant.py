"""No change."""

from core.optim.schedules.schedule import Schedule


class Constant(Schedule):
    """Stays where the warm-up left it."""

    kind = "constant"
    label = "Constant"

    def at(self, progress: float) -> float:
        return 1.0
