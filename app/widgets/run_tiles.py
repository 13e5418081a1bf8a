"""The six figures at the top of a run, and the thin line of progress under them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.widgets.bar import ProgressLine
from app.widgets.columns import Columns
from app.widgets.panel import Tile
from app.words import clock, number, size
from core.events import Evaluated
from core.state import Status

if TYPE_CHECKING:
    from core.figures.trace import Trace
    from core.state import RunState

_ENDED = (Status.FINISHED, Status.STOPPED, Status.FAILED, Status.LOST)
_LEAST = 108
"""Width of a tile below which they stand in two rows, in unscaled pixels."""
_RECENT = 30
"""Steps whose speed says how long the rest will take."""


class RunTiles(QWidget):
    """Step, loss, held-out loss, tokens a second, memory, time left."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        tiles = Columns(least=_LEAST, counts=(3, 6), gaps=(12, 12))
        self.step, self.loss, self.held_out = Tile("Step"), Tile("Loss"), Tile("Held out")
        self.speed, self.memory, self.time = Tile("Tokens a second"), Tile("Memory"), Tile("Time left")
        for tile in (self.step, self.loss, self.held_out, self.speed, self.memory, self.time):
            tiles.add(tile)
        column.addWidget(tiles)
        self.line = ProgressLine(name="Progress of the run")
        column.addWidget(self.line)

    def show_run(self, trace: Trace, state: RunState, status: Status, *, mark: float | None) -> None:
        """Show the newest figures, or those at the marker."""
        at = math.inf if mark is None else mark
        loss, held_out = trace.curve("loss").at(at), trace.curve("held_out").at(at)
        step = state.step if mark is None else round(mark)
        self.step.set(number(step), f"of {number(state.steps)}" if state.steps else "")
        self.loss.set(_loss(loss), "" if mark is None else "at the marker")
        self.held_out.set(_loss(held_out), _measured(state, status) or _best(trace))
        speed = trace.curve("tokens_per_second").at(at)
        self.speed.set("" if speed is None else number(round(speed)) if math.isfinite(speed) else "–")
        memory = trace.curve("memory").at(at)
        used = "" if memory is None or not math.isfinite(memory) else size(memory)
        self.memory.set(used, _expected(state.forecast, used))
        self._show_time(trace, state, status)
        self.line.set(state.step / state.steps if state.steps else 0.0, _tone(status))

    def _show_time(self, trace: Trace, state: RunState, status: Status) -> None:
        if status in _ENDED:
            self.time.rename("Training time")
            self.time.set(clock(state.seconds) if state.seconds else "")
        else:
            left = _seconds_left(trace, state)
            self.time.rename("Time left")
            self.time.set("" if left is None else clock(left), "paused" if status is Status.PAUSED else "")


def _seconds_left(trace: Trace, state: RunState) -> float | None:
    """From the speed of the last steps; None before there are two."""
    seconds = trace.curve("seconds")
    if len(seconds) < 2:
        return None
    first = max(len(seconds) - _RECENT, 0)
    steps = int(seconds.steps[-1] - seconds.steps[first])
    pace = float(seconds.values[-1] - seconds.values[first]) / max(steps, 1)
    return max(state.steps - state.step, 0) * pace


def _expected(forecast: int, used: str) -> str:
    """The forecast, which is 0 until the data has been read, with its unit where that of what is used is another."""
    if not forecast:
        return ""
    value, _, unit = size(forecast).partition(" ")
    return f"forecast {value}" if used.endswith(unit) else f"forecast {value} {unit}"


def _measured(state: RunState, status: Status) -> str:
    """How far a long measuring of the held-out loss is; empty while there is none."""
    return f"measured {100 * state.share:.0f} %" if state.share is not None and status is Status.RUNNING else ""


def _best(trace: Trace) -> str:
    """At which step it was lowest."""
    for _, event in reversed(trace.events):
        if isinstance(event, Evaluated) and event.best:
            return f"best at {number(event.step)}"
    return ""


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}" if math.isfinite(value) else "not a number"


def _tone(status: Status) -> str:
    tones = {Status.FAILED: "red", Status.LOST: "amber", Status.PAUSED: "amber", Status.STOPPED: "faint"}
    return tones.get(status, "accent")
