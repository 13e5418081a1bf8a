"""Starting a run's worker and following it from the terminal, through the store as the window does.

The worker is a process of its own: Ctrl-C once asks it to stop (it saves a checkpoint first), Ctrl-C twice, or the
system's request to end, leaves it running and only ends the watching.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from core.commandline.command import BUG, SUCCESS, USERS_MISTAKE, Answer, say
from core.commandline.document import amount, duration, number, pairs
from core.commands import Command
from core.events import CheckpointSaved, Evaluated, Event, Noticed, Sampled, StageChanged
from core.home import Home
from core.launch import LOST, last_words, launch, observe
from core.state import Phase, RunState, Status

if TYPE_CHECKING:
    from core.store.store import Store

POLL_SECONDS = 0.1
LINE_SECONDS = 2.0
"""Between two lines of progress."""


class Presses:
    """How often Ctrl-C has been pressed; a request to end counts as twice."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Count; the handler of both signals."""
        self.count += 2 if number == signal.SIGTERM else 1


@contextmanager
def counted_presses() -> Iterator[Presses]:
    """Count Ctrl-C inside the block instead of being ended by it."""
    presses = Presses()
    before = {number: signal.signal(number, presses) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield presses
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(home: Home, store: Store, run: str, *, resume: bool = False) -> Answer:
    """Launch the worker of a run, follow it to its end (or until the user leaves), and report."""
    seen = store.last_seq()
    launch(home, run, resume=resume)
    say(f"Run {run} in {home.run(run)}. Ctrl-C stops it with a checkpoint; twice leaves it running.")
    with counted_presses() as presses:
        last = _follow(store, run, seen, presses)
    return report(store, run, last)


def _follow(store: Store, run: str, seen: int, presses: Presses) -> Status:
    """Print what happens until the run ends or the user leaves; returns its status then."""
    told, line, last = 0, time.monotonic(), ""
    while True:
        row, now = observe(store, store.run(run))
        state = row.state
        for seq, _, event in store.events(run, seen):
            seen = seq
            text = sentence(event)
            if text and text != last:  # a stage is told again and again, with more of it done
                say(text)
            last = text
        if not state.under_way or now is Status.LOST:
            return now
        if presses.count > told:
            told = presses.count
            if told > 1:
                say(f"The run goes on without you: python main.py show {run}")
                return now
            store.command(run, Command.STOP)
            say("Stopping after this step, with a checkpoint. Ctrl-C again leaves the run alone instead.")
        if state.phase is Phase.RUNNING and time.monotonic() - line >= LINE_SECONDS:
            line = time.monotonic()
            say(progress(state))
        time.sleep(POLL_SECONDS)


def sentence(event: Event) -> str:
    """What a terminal is told of an event; empty where it needs to know nothing."""
    match event:
        case StageChanged(text):
            return f"{text} ..." if text else ""
        case Noticed(text):
            return text
        case Evaluated(step, loss, best):
            return f"step {step}: held-out loss {number(loss)}{' (best so far)' if best else ''}"
        case CheckpointSaved(step):
            return f"step {step}: checkpoint saved"
        case Sampled(step, prompt, text):
            return f"step {step}: {prompt!r} -> {text!r}"
    return ""


def progress(state: RunState) -> str:
    """One line about a run that is under way."""
    left = state.seconds / state.step * (state.steps - state.step) if state.step else None
    parts = [f"step {state.step}/{state.steps}", f"loss {number(state.last_loss)}"]
    return "  ".join([*parts, f"{duration(left)} left"] if left is not None else parts)


def report(store: Store, run: str, last: Status) -> Answer:
    """The contract's answer about a run that has ended, or that the user has left."""
    row = store.run(run)
    state = row.state
    document: dict[str, Any] = {
        "run": run,
        "status": str(last),
        "steps": state.step,
        "first_loss": state.first_loss,
        "last_loss": state.last_loss,
        "best_held_out": state.best,
        "held_out": _last(store, run, "held_out"),
        "trainable_parameters": state.trainable_parameters,
        "tokens_per_second": tokens_per_second(store, run),
        "peak_memory": _most(store, run, "memory"),
        "seconds": state.seconds,
        "folder": str(row.folder),
    }
    code = SUCCESS
    if last is Status.FAILED:
        code = BUG if state.traceback else USERS_MISTAKE
        document["error"] = {"text": state.message, "hint": state.hint, "path": ""}
        say(state.traceback or f"{state.message} {state.hint}".strip())
    elif last is Status.LOST:
        code = BUG
        hint = f"Go on from its newest checkpoint with: resume {run}"
        document["error"] = {"text": LOST, "hint": hint, "path": ""}
        say(f"{last_words(row.folder)}\n{LOST} {hint}")
    return Answer(document, _text(document), code)


def tokens_per_second(store: Store, run: str) -> float | None:
    """The middle of what was measured: neither the warm-up nor a pause counts for much."""
    _, values = store.curve(run, "tokens_per_second")
    return float(np.median(values)) if len(values) else None


def _last(store: Store, run: str, key: str) -> float | None:
    _, values = store.curve(run, key)
    return float(values[-1]) if len(values) else None


def _most(store: Store, run: str, key: str) -> int | None:
    _, values = store.curve(run, key)
    return int(np.nanmax(values)) if len(values) else None


def _text(document: dict[str, Any]) -> str:
    speed = document["tokens_per_second"]
    return pairs(
        {
            "run": document["run"],
            "status": document["status"],
            "steps": document["steps"],
            "loss": f"{number(document['first_loss'])} -> {number(document['last_loss'])}",
            "best held-out": number(document["best_held_out"]),
            "trained numbers": f"{document['trainable_parameters']:,}",
            "speed": None if speed is None else f"{speed:,.0f} tokens/s",
            "peak memory": amount(document["peak_memory"]),
            "time": duration(document["seconds"]),
            "folder": document["folder"],
        }
    )
