"""From a run's configuration to a training that is ready to begin: everything is built here, in the order that counts.

Seeds come before the adapter is made. Files are looked at before anything large is loaded, so that a typing mistake in
a layer's name is reported in a second and not after a minute. Each stage says what it is doing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.adapters.attach import Adapters, attach
from core.adapters.axis import Acting
from core.callback import Callback
from core.config.run import RunConfig
from core.config.select import select
from core.data.batches import Batches
from core.data.packing import packable
from core.data.prepare import prepare as prepare_data
from core.errors import UserError
from core.events import Noticed
from core.home import Home
from core.models.catalog import describe
from core.models.info import ModelInfo
from core.models.load import load, resolve
from core.optim.groups import groups
from core.sink import Sink
from core.train import precision, seed
from core.train.callbacks.evaluating import Evaluating
from core.train.callbacks.measuring import Measuring
from core.train.callbacks.obeying import Obeying
from core.train.callbacks.sampling import Sampling
from core.train.callbacks.saving import Saving
from core.train.interrupt import Interrupt
from core.train.loss import TokenLoss
from core.train.memory import explained
from core.train.training import Training

Say = Callable[[str, float | None], None]
"""Takes what is being done, in words, and the share of it that is done where that is known."""


def prepare(config: RunConfig, *, home: Home, folder: Path, sink: Sink, interrupt: Interrupt, say: Say) -> Training:
    """Load the model, read the data and put the adapters on.

    Args:
        config: the run's.
        home: for models that have to be converted first.
        folder: the run's.
        sink: where the training will tell what happens.
        interrupt: the system's request to end.
        say: told about every stage; may raise to end it.

    Raises:
        UserError: anything in the world that is not as the configuration says.
    """
    say("Looking at the model", None)
    path = resolve(home, config.model.path, say)
    info = describe(path)
    plans = select(info.layers, config.adapter)
    precision.use_physical_cores()
    chosen = _precision(config, info, sink)
    seed.seed_everything(config.seed)
    with explained("while the model was loaded"):
        say("Loading the model", None)
        loaded = load(path, compute=chosen.compute, device=chosen.device, storage=config.storage, progress=say)
        say("Reading the data", None)
        data = prepare_data(config.data, loaded.tokenizer, config.seed, progress=say)
        say("Putting the adapters on", None)
        adapters = attach(loaded.model, plans, config.adapter, seed=config.seed, storage=config.storage)
        if config.train.gradient_checkpointing:
            checkpoint_gradients(loaded.model)
        objective = TokenLoss(loaded.model)
    shape: dict[str, Any] = {
        "batch": config.train.batch,
        "max_tokens": config.data.max_tokens,
        "seed": config.seed,
        "packing": _packs(config, loaded.model, sink),
        "pad_id": _padding(loaded.tokenizer),
    }
    rows = Batches(data.train, accumulate=config.train.accumulate, **shape)
    held_out = Batches(data.held_out, **shape).evaluation(config.train.batch) if data.held_out else []
    training = Training(
        config=config,
        folder=folder,
        sink=sink,
        precision=chosen,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        adapters=adapters,
        optimizer=config.train.optimizer.build(groups(adapters, config.train)),
        objective=objective,
        rows=rows,
        held_out=held_out,
        total_parameters=info.parameters,
        examples=len(data.train),
        held_out_examples=len(data.held_out),
        scaler=torch.amp.GradScaler(chosen.device.type, enabled=chosen.scaled),
    )
    training.callbacks = callbacks(training, interrupt)
    return training


def _precision(config: RunConfig, info: ModelInfo, sink: Sink) -> precision.Precision:
    """Device and precision, with a word on what is not as the user may expect.

    Raises:
        UserError: the optimizer does not work there.
    """
    chosen = precision.choose(device=config.train.device, compute=config.model.compute, stored=info.dtype)
    for notice in chosen.notices:
        sink.event(Noticed(notice))
    for problem in config.train.optimizer.objections(chosen.device.type):
        if problem.blocking:
            raise UserError(problem.text, hint=problem.hint, path=problem.path)
        sink.event(Noticed(problem.text))
    return chosen


def callbacks(training: Training, interrupt: Interrupt) -> list[Callback]:
    """Who acts in a run: commands are read first, then the axes' members act, then it is measured and kept."""
    obeying = Obeying(training, interrupt)
    return [
        obeying,
        *_contributed(training.adapters, training.config),
        Measuring(training),
        Evaluating(training, stop_asked=obeying.stop_asked),
        Sampling(training),
        Saving(training),
    ]


def _contributed(adapters: Adapters, config: RunConfig) -> list[Callback]:
    """What the members of the axes bring along, in the order of a step: rates, ranks, base, and how it is held."""
    members = [*(config.adapter.axis(name) for name in ("rates", "rank_schedule", "base_update")), config.storage]
    return [
        callback for member in members if isinstance(member, Acting) for callback in member.callbacks(adapters, config)
    ]


def _packs(config: RunConfig, model: nn.Module, sink: Sink) -> bool:
    """Whether examples share rows: where that was asked for, and the model keeps them apart."""
    if not config.data.packing or packable(model):
        return config.data.packing
    sink.event(Noticed("This model does not keep examples in one row apart: training without packing."))
    return False


def checkpoint_gradients(model: nn.Module) -> None:
    """Have the model work its activations out again in the backward pass instead of keeping them.

    The reentrant form would leave adapters without gradients, since the frozen embedding's output asks for none.

    Raises:
        UserError: the model cannot.
    """
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise UserError(
            f"{type(model).__name__} does not support gradient checkpointing.",
            hint="Set train.gradient_checkpointing to false; a smaller train.batch saves memory as well.",
            path="train.gradient_checkpointing",
        )
    model.activation_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]


def _padding(tokenizer: object) -> int:
    """The token that fills rows up; which one is of no matter, since nobody sees it."""
    for name in ("pad_token_id", "eos_token_id"):
        found = getattr(tokenizer, name, None)
        if isinstance(found, int):
            return found
    return 0
