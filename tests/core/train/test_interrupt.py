"""Signals become a stop."""

from __future__ import annotations

import signal

import pytest

from core.train.interrupt import listening


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_first_signal_asks_and_the_old_handler_comes_back(name: str) -> None:
    number = getattr(signal, name)
    first = signal.signal(number, signal.default_int_handler)  # where tests run in the background, SIGINT is ignored
    before = signal.getsignal(number)

    with listening() as interrupt:
        assert not interrupt.asked
        signal.raise_signal(number)  # to this thread: any other may be handed one that is sent to the process
        assert interrupt.asked
        assert signal.getsignal(number) is signal.SIG_DFL, "a second one ends the process"

    assert signal.getsignal(number) is before
    signal.signal(number, first)
