"""The system's way of asking a process to end, turned into a stop: checkpoint, then end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP") if hasattr(signal, name))
"""SIGBREAK is Windows' own; SIGHUP comes when a terminal is closed."""


class Interrupt:
    """Whether a stop was asked for."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def listening() -> Iterator[Interrupt]:
    """Turn the first signal into a request; a second one of the same kind does what the system usually does.

    Outside the main thread, where Python hands out no signals, nobody ever asks.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def ask(number: int, _frame: FrameType | None) -> None:
        interrupt.asked = True
        signal.signal(number, signal.SIG_DFL)

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as `nohup` asks for
            signal.signal(number, ask)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
