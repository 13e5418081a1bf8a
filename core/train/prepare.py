"""From a run's configuration to a training that is ready to begin: everything is built here, in the order that counts.

Seeds come before the adapter is made. Files are looked at before anything large is loaded, so that a typing mistake in
a layer's name is reported in a second and not after a minute. Each stage says what it is doing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from core import heap
from core.adapters.attach import Adapters, attach, train_head
from core.adapters.axis import Acting
from core.adapters.state import SavedAdapter
from core.callback import Callback
from core.config.beginning import refuse_other_layers
from core.config.forecast import forecast
from core.config.run import JUDGING, RunConfig
from core.config.select import trained
from core.data.fitting import fitting
from core.data.packing import packable
from core.data.prepare import prepare as prepare_data
from core.data.templates import text_of
from core.data.tokens import TokenList
from core.errors import UserError
from core.events import Noticed
from core.home import Home
from core.layers import LayerPlan
from core.models.catalog import describe
from core.models.info import ModelInfo
from core.models.load import load, load_tokenizer, resolve
from core.optim.groups import groups
from core.saying import Say
from core.sink import Sink
from core.train import beginning, precision, seed
from core.train.callbacks.evaluating import Evaluating
from core.train.callbacks.measuring import Measuring
from core.train.callbacks.obeying import Obeying
from core.train.callbacks.sampling import Sampling
from core.train.callbacks.saving import Saving
from core.train.ground import Ground
from core.train.interrupt import Interrupt
from core.train.memory import explained
from core.train.objectives import OBJECTIVES
from core.train.selecting import settled
from core.train.starting import started
from core.train.training import Training
from core.train.trial import try_forward


def prepare(
    config: RunConfig,
    *,
    home: Home,
    folder: Path,
    sink: Sink,
    interrupt: Interrupt,
    say: Say,
    saved: SavedAdapter | None = None,
) -> Training:
    """Load the model, read the data, find the layers and put the adapters on.

    Args:
        config, home, folder, sink, interrupt, say: see `lay`.
        saved: the adapter that the training will go on with, whose values the caller restores; None starts a new one,
            with all that its start asks for.

    Raises:
        UserError: anything in the world that is not as the configuration says.
    """
    first = beginning.earlier(home, config) if saved is None else None
    ground = lay(config, home=home, folder=folder, sink=sink, interrupt=interrupt, say=say)
    if first is not None:
        refuse_other_layers(first.plans, ground.candidates, config)
    known = first or saved
    values: Mapping[str, Tensor] = {}
    if known is not None:
        plans: Sequence[LayerPlan] = known.plans
    else:
        plans, values = started(ground, config, settled(ground, config, assemble, say), assemble, say)
    say("Putting the adapters on", None)
    training = assemble(ground, config, plans, ground.data.train, fresh=known is None)
    if first is not None:
        beginning.take(training.adapters, first)
    training.adapters.take(values)
    training.adapters.fold()
    return training


def lay(config: RunConfig, *, home: Home, folder: Path, sink: Sink, interrupt: Interrupt, say: Say) -> Ground:
    """Load the model and read the data: what a training stands on.

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
    trained(info, config.adapter)  # what chooses nothing is refused before anything is read
    precision.use_physical_cores()
    chosen = _precision(config, info, sink)
    seed.seed_everything(config.seed)
    say("Reading the data", None)
    data = prepare_data(
        fitting(config.data, info), load_tokenizer(path), config.seed, progress=say, task=config.task,
        vocabulary=info.vocabulary, home=home,
    )  # fmt: skip
    with explained("while the model was loaded"):
        say("Loading the model", None)
        loaded = load(
            path, compute=chosen.compute, device=chosen.device, storage=config.storage, progress=say,
            labels=data.labels if config.task in JUDGING else None, seed=config.seed,
        )  # fmt: skip
        if config.data.template:
            loaded.tokenizer.chat_template = text_of(config.data.template)
        if config.train.gradient_checkpointing:
            checkpoint_gradients(loaded.model)
        with chosen.autocast():
            try_forward(loaded.model, info)
    packing = _packs(config, loaded.model, sink)
    candidates = trained(loaded.info, config.adapter)  # files may call matrices otherwise than the model
    return Ground(folder, sink, interrupt, loaded.info, chosen, loaded, data, candidates, packing)


def assemble(
    ground: Ground, config: RunConfig, plans: Sequence[LayerPlan], examples: TokenList, *, fresh: bool = True
) -> Training:
    """Put adapters on, and everything together that a training needs; the model takes one set of adapters at a time.

    Args:
        ground: where the training stands.
        config: the run's, or a shorter one of the same model and data.
        plans: the layers to train.
        examples: to train on.
        fresh: whether the adapters begin here; not where saved values are to take over.
    """
    heap.keep()
    model, data = ground.loaded.model, ground.data
    adapters = attach(model, plans, config.adapter, seed=config.seed, storage=config.storage, fresh=fresh)
    train_head(adapters, ground.loaded.head, data.labels)
    with explained("while the adapters were put on"):
        objective = OBJECTIVES[config.task](model, adapters, config)
        training = Training(
            config=config,
            folder=ground.folder,
            sink=ground.sink,
            precision=ground.precision,
            model=model,
            tokenizer=ground.loaded.tokenizer,
            adapters=adapters,
            optimizer=config.train.optimizer.build(groups(adapters, config.train)),
            objective=objective,
            figures=objective.figures,
            rows=ground.batches(config, examples),
            held_out=ground.batches(config, data.held_out).evaluation(config.train.batch) if data.held_out else [],
            total_parameters=ground.info.parameters,
            examples=len(examples),
            held_out_examples=len(data.held_out),
            forecast=forecast(ground.info, plans, config, data.report.to_dict()).total,
            scaler=torch.amp.GradScaler(ground.precision.device.type, enabled=ground.precision.scaled),
        )
    training.callbacks = callbacks(training, ground.interrupt)
    heap.give_back()  # what the first values were worked out in
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
    acting = _contributed(training.adapters, training.config)
    for callback in acting:
        callback.meet(training.optimizer)
    return [
        obeying,
        *acting,
        Measuring(training),
        Evaluating(training, stop_asked=obeying.stop_asked),
        *([] if training.adapters.head else [Sampling(training)]),
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
    if config.task in JUDGING:
        return False
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
            hint="Switch train.gradient_checkpointing off; a smaller train.batch saves memory as well.",
            path="train.gradient_checkpointing",
        )
    model.activation_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
