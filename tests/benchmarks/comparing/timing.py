"""How long a step takes, against LoRA's and against peft's, all in one process and in turn.

Speed on a shared machine changes from minute to minute; neighbours in time share it. So every round makes a step of
each, in an order that turns around from round to round, and what is kept is the median of the rounds' ratios.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch

from core.adapters.axis import Selection
from core.config.select import trained
from core.train.callbacks.evaluating import Evaluating
from core.train.callbacks.measuring import Measuring
from core.train.callbacks.obeying import Obeying
from core.train.callbacks.sampling import Sampling
from core.train.callbacks.saving import Saving
from core.train.ground import Ground
from core.train.prepare import assemble
from core.train.starting import started
from core.train.trainer import make_step
from core.train.training import Training
from tests.benchmarks.comparing.peft_side import Theirs
from tests.benchmarks.comparing.setting import Setting, silent, storage, twin

OBSERVERS = (Measuring, Evaluating, Sampling, Saving, Obeying)
"""What a run does beside its steps."""
SCHEDULE = 40
"""Length of the runs whose steps are timed: no schedule of a rank or a base has ended, and all have begun."""
BEGIN = 20
"""The step that is timed first: a base that follows does so, and a budget is being cut."""


class Clock:
    """Times methods one after the other against one and the same LoRA."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.grounds: dict[str, Ground] = {}
        self.base = self.training("lora")

    def ground(self, name: str) -> Ground:
        """Modules of its own for a method, over weights that all have in common."""
        kind = storage(name)
        if kind not in self.grounds:
            self.grounds[kind] = self.setting.ground(name)
        return twin(self.grounds[kind])

    def training(self, name: str) -> Training:
        """A method at its first timed step. LoRA-drop stands in its second stage, with half of the layers kept."""
        config, ground = self.setting.config(name, steps=SCHEDULE), self.ground(name)
        selection, plans = config.adapter.axis("selection"), trained(ground.info, config.adapter)
        assert isinstance(selection, Selection)
        if selection.probe() is not None:
            plans = selection.arranged(plans, [plan.name for plan in plans[len(plans) // 2 :]])
        plans, values = started(ground, config, plans, assemble, silent)
        training = assemble(ground, config, plans, ground.data.train)
        training.adapters.take(values)
        training.adapters.fold()
        training.callbacks = [callback for callback in training.callbacks if not isinstance(callback, OBSERVERS)]
        for callback in training.callbacks:
            callback.begin()
        training.model.train()
        for first in range(BEGIN + 1):  # what begins at a certain step is told of every one
            for callback in training.callbacks:
                callback.before_step(first)
        training.progress.step = BEGIN
        return training

    def times(self, name: str) -> dict[str, float]:
        """Medians over the rounds: a step in seconds, and its ratio to LoRA's and to peft's of the same method."""
        ours = self.training(name)
        steps: dict[str, Callable[[], None]] = {"lora": partial(make_step, self.base), "ours": partial(make_step, ours)}
        for kind in ("peft", "peft_same_rows"):
            theirs = Theirs.of(self.ground(name), name, ours, same_rows=kind == "peft_same_rows")
            if theirs is not None:
                steps[kind] = theirs.step
        found: dict[str, list[float]] = {kind: [] for kind in steps}
        for number in range(-1, self.setting.rounds):  # the first round warms up
            ours.progress.step = self.base.progress.step = BEGIN + max(0, number) % (SCHEDULE - BEGIN)
            order = list(steps.items())
            for kind, step in order if number % 2 else reversed(order):
                seconds = timed(step, time.process_time if self.setting.shared else time.perf_counter)
                if number >= 0:
                    found[kind].append(seconds)
        del ours, steps
        gc.collect()
        return ratios(found)


def timed(step: Callable[[], None], clock: Callable[[], float]) -> float:
    """Seconds of one step."""
    began = clock()
    step()
    return clock() - began


def ratios(found: dict[str, list[float]]) -> dict[str, float]:
    """The medians of one method's rounds."""
    names = {"lora": "step_ratio", "peft": "peft_ratio", "peft_same_rows": "peft_same_rows_ratio"}
    pairs = {
        names[kind]: median(ours / other for ours, other in zip(found["ours"], seconds, strict=True))
        for kind, seconds in found.items()
        if kind != "ours"
    }
    return {"seconds": median(found["ours"]), **pairs}


def all_times(setting: Setting, wanted: list[str], tell: Callable[[str, dict[str, Any]], None]) -> None:
    """Time each of these methods and tell of it at once."""
    torch.manual_seed(0)
    if setting.shared:
        torch.set_num_threads(1)
    clock = Clock(setting)
    for name in wanted:
        tell(name, clock.times(name))
