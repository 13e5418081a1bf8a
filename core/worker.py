"""The worker process: one run, from its row in the database to its last event.

However a training ends, its end is an event: finished, stopped, or failed, with a sentence for the world's failures and
with a traceback for ours. The one end that nobody can tell of, being killed, is seen by the lock that it leaves free.
This is the process's outermost border, so it is one of the three places where every exception is caught.
"""

from __future__ import annotations

import logging
import os
import platform
import traceback
from contextlib import closing
from importlib.metadata import version
from typing import TYPE_CHECKING

from core import VERSION
from core.commands import Command
from core.config.run import RunConfig
from core.config.select import trained
from core.data.files import find
from core.errors import Cancelled, UserError
from core.events import Noticed, RunFailed, RunFinished, RunStarted, RunStopped, StageChanged
from core.home import Home
from core.launch import OFFLINE, RunLock
from core.models.catalog import describe, locate
from core.store.rows import RunRow
from core.store.store import Store
from core.store.writer import Writer, leave_word
from core.train.interrupt import Interrupt, listening

if TYPE_CHECKING:
    from core.sink import Sink
    from core.train.training import Training

FINISHED, BUG, USERS_MISTAKE = 0, 1, 2
"""Exit statuses: done or stopped; a traceback was saved; one sentence was saved."""

_log = logging.getLogger(__name__)


def main(home: Home, run_id: str, *, resume: bool = False) -> int:
    """Train a run, or go on with it from its newest whole checkpoint; returns the exit status.

    Args:
        home: where the run is.
        run_id: which one.
        resume: whether the user asked to go on; then it is said where there is nothing to go on from. A run that has
            checkpoints goes on from them in either case: a worker that is started twice destroys nothing.
    """
    os.environ |= {**OFFLINE, "TOKENIZERS_PARALLELISM": "true"}
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with RunLock(home.run(run_id)), listening() as interrupt:
        row, sink = _opened(home, run_id)
        try:
            end, status = _run(row, home, sink, interrupt, resume=resume)
            sink.event(end)
            _log.info("The run ended: %s after step %d", end.kind, end.step)
        finally:
            sink.close()
    return status


def _opened(home: Home, run_id: str) -> tuple[RunRow, Writer]:
    """The run, and where it tells what happens.

    Raises:
        UserError: the database cannot be used. The reason is left in the run's folder, or nobody would hear of it.
    """
    try:
        with closing(Store(home)) as store:
            row = store.run(run_id)
        return row, Writer(home, run_id)
    except UserError as error:
        leave_word(home, run_id, RunFailed(0, error.text, error.hint))
        raise


def _run(
    row: RunRow, home: Home, sink: Sink, interrupt: Interrupt, *, resume: bool
) -> tuple[RunFinished | RunStopped | RunFailed, int]:
    """Everything between taking the lock and saying how it ended."""
    sink.event(StageChanged("Starting"))
    training: Training | None = None
    try:
        _look(row.config)
        from core.train.trainer import train

        training = _prepared(row, home, sink, interrupt, resume=resume)
        sink.event(_started(training))
        return train(training), FINISHED
    except Cancelled:
        return RunStopped(_step(row, training)), FINISHED
    except UserError as error:
        # What the sentence was made of helps whoever looks into the log; what has no cause is all there is to say.
        _log.error("%s", error, exc_info=error if error.__cause__ else None)
        return RunFailed(_step(row, training), error.text, error.hint), USERS_MISTAKE
    except Exception as error:
        _log.exception("The run failed")
        text = f"{type(error).__name__}: {error}"
        return RunFailed(_step(row, training), text, "This is a bug in Rankloom.", traceback.format_exc()), BUG


def _look(config: RunConfig) -> None:
    """See that what the run stands on is there: a moment's work, and to import torch takes seconds.

    Raises:
        UserError: the model, its layers or the data are not what the configuration says.
    """
    trained(describe(locate(config.model.path)), config.adapter)
    for path in filter(None, (config.data.path, config.data.held_out_path)):
        find(path)


def _prepared(row: RunRow, home: Home, sink: Sink, interrupt: Interrupt, *, resume: bool) -> Training:
    """A training that stands where it is to go on."""
    from core.adapters.state import read
    from core.train import checkpoint
    from core.train.prepare import prepare

    def say(text: str, share: float | None = None) -> None:
        # Whatever else may be asked of a run is asked of one that has begun.
        interrupt.asked = interrupt.asked or Command.STOP in sink.commands()
        if interrupt.asked:
            raise Cancelled("The run was stopped before its first step.")
        sink.event(StageChanged(text, share))
        _log.info("%s", text)

    checkpoint.clean(row.folder)
    say("Looking for checkpoints", None)
    found, damaged = checkpoint.newest(row.folder)
    saved = None if found is None else read(found.adapter)
    training = prepare(row.config, home=home, folder=row.folder, sink=sink, interrupt=interrupt, say=say, saved=saved)
    for name in damaged:
        sink.event(Noticed(f"The checkpoint {name} is damaged and was left out."))
    if found is not None:
        checkpoint.restore(training, found)
    elif resume:
        sink.event(Noticed("There is no checkpoint to go on from: the run starts at its first step."))
    checkpoint.clean(row.folder, after=training.progress.step)
    if found is not None or row.state.steps:
        sink.rewind(training.progress.step)
    return training


def _started(training: Training) -> RunStarted:
    config = training.config
    return RunStarted(
        step=training.progress.step,
        steps=config.train.steps,
        device=training.precision.device.type,
        compute=training.precision.name,
        trainable_parameters=training.adapters.count(),
        total_parameters=training.total_parameters,
        examples=training.examples,
        held_out_examples=training.held_out_examples,
        forecast=training.forecast,
        environment=environment(training.precision.device.type),
    )


def environment(device: str) -> dict[str, str]:
    """What the run was made with, for whoever wants to repeat it."""
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    packages = {name: version(name) for name in ("torch", "transformers", "safetensors", "tokenizers", "numpy")}
    return {
        "rankloom": VERSION,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": name,
        "threads": str(torch.get_num_threads()),
        **packages,
    }


def _step(row: RunRow, training: Training | None) -> int:
    """How far the run has come; where it could not even be loaded, how far it had come before."""
    return row.state.step if training is None else training.progress.step
