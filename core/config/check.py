"""What can be said against a run before anything is loaded: what keeps it from starting, and what the user should know.

A value out of its bounds never gets here (`RunConfig` refuses it); this is about values that do not go together. Which
members of the axes go together is said by themselves: see `core.config.combine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.config.combine import combined
from core.config.edit import value_at
from core.config.forecast import forecast
from core.config.machine import free_memory, likely_device
from core.config.pace import breadth, untouched
from core.config.run import JUDGING, RunConfig
from core.config.select import select, trained
from core.errors import UserError
from core.layers import LayerPlan
from core.problem import Problem

if TYPE_CHECKING:
    from core.models.info import ModelInfo


def check_config(
    config: RunConfig, info: ModelInfo | None, report: Mapping[str, Any] | None = None
) -> tuple[list[Problem], list[Problem]]:
    """Everything that is wrong or worth knowing, without torch.

    Args:
        config: the run.
        info: its base model; None where none is chosen or it could not be read.
        report: what is known about its data (`core.data.summary`), for the forecast of memory.

    Returns:
        What keeps the run from starting, and what does not.
    """
    found = [*_missing(config), *combined(config), *_loop(config), *_idle(config)]
    if info is not None:
        try:
            plans = select(info.layers, config.adapter)
            trained(info, config.adapter)
        except UserError as error:
            found.append(Problem(error.path, error.text, error.hint))
        else:
            found += [*_task(config, info), *_layers(config, info, plans), *_room(config, info, plans, report)]
    return [p for p in found if p.blocking], [p for p in found if not p.blocking]


def _missing(config: RunConfig) -> Iterator[Problem]:
    if not config.model.path:
        yield Problem("model.path", "No model is chosen.", "Name a model folder or a GGUF file.")
    if not config.data.path:
        yield Problem("data.path", "No data is chosen.", "Name a file of examples.")


def _loop(config: RunConfig) -> Iterator[Problem]:
    """What the options of the training loop say together."""
    train, data = config.train, config.data
    yield from train.optimizer.objections(likely_device(train.device))
    yield from untouched(config)
    if train.warmup >= 1 and train.warmup >= train.steps:
        text = f"The warm-up of {train.warmup:g} steps takes all {train.steps}: the learning rate never gets there."
        yield _warning("train.warmup", text, "A share such as 0.03 follows the number of steps.")
    measured = data.held_out > 0 or data.held_out_path
    if not measured and train.evaluate_every:
        text = "Nothing is held out, so no evaluation takes place: the run cannot show whether it learns or memorises."
        yield _warning("data.held_out", text, "Hold out a share such as 0.1, or set train.evaluate_every to 0.")
    elif measured and train.evaluate_every > train.steps:
        text = f"Evaluating every {train.evaluate_every} steps of {train.steps} means once, at the end."
        yield _warning("train.evaluate_every", text, f"{max(1, train.steps // 4)} would show four points on the way.")


_ONLY_FOR = {
    "data.labels": frozenset({"sequence-classification"}),
    "data.label_weights": frozenset({"sequence-classification"}),
    "train.head_learning_rate": JUDGING,
    "train.beta": frozenset({"preference"}),
}
"""Options to the tasks in which they do something."""


def _idle(config: RunConfig) -> Iterator[Problem]:
    """Options that were set and do nothing in this task."""
    for path, tasks in _ONLY_FOR.items():
        if config.task not in tasks and value_at(config, path) != value_at(RunConfig(), path):
            text = f"{path} does nothing where task is {config.task}."
            yield _warning(path, text, f"It is for runs whose task is {' or '.join(sorted(tasks))}.")


def _task(config: RunConfig, info: ModelInfo) -> Iterator[Problem]:
    """Whether the model can do what it is to learn."""
    if config.task not in JUDGING and not info.writes_text:
        kind = f"{info.name} is a {info.family} model"
        text = f"{kind}: it reads texts and does not continue them, and task is {config.task}."
        yield Problem("task", text, "Set task to sequence-classification or regression, or choose a model that writes.")
    if config.task in JUDGING and config.train.prompts:
        text = "A model that judges texts answers no prompts: the sample prompts are left out."
        yield _warning("train.prompts", text, "The held-out accuracy shows the change instead.")


def _layers(config: RunConfig, info: ModelInfo, plans: Sequence[LayerPlan]) -> Iterator[Problem]:
    """What the chosen layers and the model say to the options."""
    wide = [plan for plan in plans if plan.rank > min(plan.layer.out_features, plan.layer.in_features)]
    if wide and breadth(config) == 1:
        least = min(min(plan.layer.out_features, plan.layer.in_features) for plan in wide)
        text = f"The rank is larger than the layer itself in {len(wide)} of {len(plans)} layers ({wide[0].name} first)."
        yield _warning("adapter.rank", text, f"At most {least} adds anything there.")
    if info.context and config.data.max_tokens > info.context:
        text = f"Examples may have {config.data.max_tokens} tokens, but the model reads {info.context} at most."
        yield _warning("data.max_tokens", text, f"Longer ones are cut at {info.context}.")
    for option in ("ranks", "alphas"):
        yield from _unused(config, info, plans, option)


def _unused(config: RunConfig, info: ModelInfo, plans: Sequence[LayerPlan], option: str) -> Iterator[Problem]:
    """Entries of `adapter.ranks` or `adapter.alphas` that concern no chosen layer."""
    chosen, full = {plan.name for plan in plans}, {layer.name for layer in info.layers}
    for entry in getattr(config.adapter, option):
        alone = config.adapter.model_copy(update={"layers": (entry,), "ranks": {}, "alphas": {}})
        meant = {entry} if entry in full else {plan.name for plan in select(info.layers, alone)}
        if chosen.isdisjoint(meant):
            text = f"'{entry}' in adapter.{option} concerns no layer that is chosen."
            yield _warning(f"adapter.{option}", text, "Choose its layers as well, or leave the entry out.")


def _room(
    config: RunConfig, info: ModelInfo, plans: Sequence[LayerPlan], report: Mapping[str, Any] | None
) -> Iterator[Problem]:
    """Whether the machine has the memory."""
    device = likely_device(config.train.device)
    free = free_memory(device)
    memory = forecast(info, plans, config, report)
    if free is None or memory.needed <= free:
        return
    where = "the graphics card" if device == "cuda" else "this machine"
    text = f"The run will take about {_gigabytes(memory.needed)}, and {where} has {_gigabytes(free)} free."
    largest = max(("weights", "activations", "logits", "optimizer"), key=lambda name: getattr(memory, name))
    yield _warning("train.batch", text, _ROOM_HINTS[largest])


_LESS = "Lower train.batch (and raise train.accumulate for the same step), shorten data.max_tokens"
_ROOM_HINTS = {
    "weights": "Most of it is the model itself: take a smaller one, or another model.storage.",
    "activations": f"{_LESS}, or switch train.gradient_checkpointing on.",
    "logits": f"{_LESS}.",
    "optimizer": "Most of it is the optimizer's: adapt fewer layers, or lower adapter.rank.",
}


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"


def _warning(path: str, text: str, hint: str) -> Problem:
    return Problem(path, text, hint, blocking=False)
