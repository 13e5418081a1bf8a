"""What a schedule is: a factor on the learning rate as a function of progress. It keeps no state, so a resumed run
needs nothing but its step."""

from core.component import Component


class Schedule(Component):
    """A factor on the learning rate, from the end of the warm-up to the end of the run."""

    def at(self, progress: float) -> float:
        """The factor at `progress`, from 0 (warm-up done) towards 1, which stands behind the last step."""
        raise NotImplementedError


def factor(schedule: Schedule, step: int, steps: int, warmup: float) -> float:
    """The factor for the 0-based `step` of `steps`; `warmup` is a share of the run below 1, or a number of steps."""
    ramp = round(warmup * steps) if warmup < 1 else round(warmup)
    if step < ramp:
        return (step + 1) / ramp
    return schedule.at((step - ramp) / max(1, steps - ramp))
