"""Reads what the user asks for, between two steps."""

from __future__ import annotations

from core.callback import Callback
from core.commands import Command
from core.events import Paused, Resumed
from core.train.interrupt import Interrupt
from core.train.training import Training

MODES = (Command.STOP, Command.PAUSE, Command.RESUME)
"""Those that contradict each other: the last one wins."""


class Obeying(Callback):
    """First in the list of callbacks, so that the others see what is wanted.

    Args:
        training: the run.
        interrupt: whether the system has asked the process to end, which counts as a stop.
    """

    def __init__(self, training: Training, interrupt: Interrupt) -> None:
        self.training = training
        self.interrupt = interrupt
        self.waiting: list[Command] = []

    def stop_asked(self) -> bool:
        """Whether a stop waits to be obeyed; for work that takes longer than a user likes to wait."""
        self.waiting += self.training.sink.commands()
        return self.interrupt.asked or self._mode() is Command.STOP

    def at_rest(self) -> None:
        """Put into the training what is wanted of it."""
        training = self.training
        self.waiting += training.sink.commands()
        mode = Command.STOP if self.interrupt.asked else self._mode()
        training.wanted = set(self.waiting) - set(MODES)
        self.waiting = []
        if mode is Command.STOP:
            training.stopping = True
        elif mode is Command.PAUSE and not training.paused and not training.done:
            self._pause(True)
        elif mode is Command.RESUME and training.paused:
            self._pause(False)

    def _mode(self) -> Command | None:
        return next((command for command in reversed(self.waiting) if command in MODES), None)

    def _pause(self, paused: bool) -> None:
        training, step = self.training, self.training.progress.step
        training.paused = paused
        training.sink.event(Paused(step) if paused else Resumed(step))
        training.sink.flush()
