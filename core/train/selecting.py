"""The first stage of a run whose layers have to be found: try all, choose, and take the adapters off again.

What was found is kept in the run's folder, so that a run that was ended before its first checkpoint begins again
without a second probe. The stage that follows starts afresh: same seeds, same first values, as if the layers had been
known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.adapters.axis import Probe, Selection
from core.atomic import write_text
from core.config.run import RunConfig
from core.data.tokens import TokenList
from core.events import LayersChosen
from core.insight.importance.output import Output
from core.insight.importance.subject import Subject
from core.insight.keeping import shares
from core.layers import LayerPlan
from core.saying import Say
from core.train import probe as probes
from core.train import seed
from core.train.ground import Ground
from core.train.memory import explained
from core.train.training import Training

FILE = "selection.json"
KEY = "importance"
"""The vector of what the probe found for the trained layers, at step 0."""

Assemble = Callable[[Ground, RunConfig, Sequence[LayerPlan], TokenList], Training]


@dataclass(frozen=True)
class Choice:
    """What the probe found.

    Attributes:
        importance: of every candidate layer, by name; all of them add to 1.
        kept: the layers that have an adapter of their own.
    """

    importance: dict[str, float]
    kept: tuple[str, ...]


def settled(ground: Ground, config: RunConfig, assemble: Assemble, say: Say) -> Sequence[LayerPlan]:
    """The layers to train: the candidates, or what the selection makes of them after its probe.

    Args:
        ground: without adapters; it is left so.
        config: the run's.
        assemble: how a training is put together.
        say: told how far it is.
    """
    selection = config.adapter.axis("selection")
    assert isinstance(selection, Selection)
    asked, candidates = selection.probe(), ground.candidates
    if asked is None:
        return candidates
    choice = read(ground.folder)
    if choice is None or choice.importance.keys() != {plan.name for plan in candidates}:
        importance = _probed(ground, config, asked, assemble, say)
        kept = selection.keep(candidates, importance)
        choice = Choice(importance, tuple(plan.name for plan in candidates if plan.name in kept))
        ground.sink.event(LayersChosen(choice.importance, list(choice.kept)))
        with suppress(OSError):  # a full disk: only a run that ends before its first checkpoint needs it again
            write(choice, ground.folder)
    plans = selection.arranged(candidates, choice.kept)
    ground.sink.layers([plan.layer for plan in plans])
    ground.sink.vector(0, KEY, np.array([choice.importance[plan.name] for plan in plans], dtype=np.float32))
    return plans


def read(folder: Path) -> Choice | None:
    """What an earlier worker of this run found; None where none did, or what it wrote is damaged."""
    try:
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Choice({str(name): float(value) for name, value in said["importance"].items()}, tuple(said["kept"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(choice: Choice, folder: Path) -> None:
    """Keep it with the run."""
    write_text(folder / FILE, json.dumps({"importance": choice.importance, "kept": choice.kept}, indent=1))


def _probed(ground: Ground, config: RunConfig, asked: Probe, assemble: Assemble, say: Say) -> dict[str, float]:
    """Train all candidates for a while and score them; every random number drawn meanwhile is forgotten."""
    examples = probes.sample(ground.data.train, asked.sample_ratio, config.seed)
    short = probes.shortened(config, asked.steps)
    say(f"Trying {len(ground.candidates)} layers on {len(examples)} examples", 0.0)
    training = assemble(ground, short, ground.candidates, examples)

    def tell(step: int, loss: float) -> None:
        ground.sink.points(step, {probes.CURVE: loss})
        if step == asked.steps or step * 20 % asked.steps < 20:
            say(f"Trying the layers: step {step} of {asked.steps}", step / asked.steps)

    try:
        with explained("while the layers were tried"):
            probes.run(training, tell)
            batches = ground.batches(short, examples, packing=False).evaluation(short.train.batch)
            scores = Output().measure(Subject(training, batches, lambda share: None))
    finally:
        training.adapters.detach()
        seed.seed_everything(config.seed)
    return shares(dict(zip(training.adapters.layers, scores.tolist(), strict=True)))
