"""The job that asks which layers matter: of a configuration, by a short probe, or of a run, by what it has learned.

Body: `config` (a run file's mapping) or `run` (an id) with `checkpoint` ("best", "last" or a step); `scores` (kinds of
`core.insight.importance.SCORES`, or mappings with options; "output" by default); `sample_ratio` and `probe_steps`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.adapters import state
from core.adapters.axis import Probe
from core.component import Axis
from core.config.run import RunConfig
from core.data.tokens import TokenList
from core.errors import UserError
from core.home import Home
from core.insight.agreement import spearman_table
from core.insight.importance import SCORES
from core.insight.importance.ablation import Ablation, by_block
from core.insight.importance.score import Score
from core.insight.importance.subject import Subject
from core.insight.keeping import shares
from core.insight.matrices import need_matrices
from core.saying import Say
from core.sink import Nowhere
from core.store.store import Store
from core.train import probe as probes
from core.train.ground import Ground
from core.train.interrupt import Interrupt
from core.train.memory import explained
from core.train.prepare import assemble, lay
from core.train.starting import tried
from core.train.training import Training

HELD_OUT = 128
"""Held-out examples that losses are measured on, at most: ablation asks all of them again for every layer."""
PAIR = 2
"""Calibration examples in a batch, at least: gradients are told from noise by comparing examples."""


@dataclass(frozen=True)
class Request:
    """What a job's body asks.

    Attributes:
        config: the run.
        scores: what to measure, in order.
        probe: the sample, and how long the probe is.
        adapter: the folder of what a run has learned; None makes a probe learn.
        step: of that.
    """

    config: RunConfig
    scores: tuple[Score, ...]
    probe: Probe
    adapter: Path | None = None
    step: int = 0

    @classmethod
    def from_body(cls, home: Home, body: dict[str, Any]) -> Request:
        """Read a job's body.

        Raises:
            UserError: a score, the run or its checkpoint does not exist, or the configuration is not sound.
        """
        scores = tuple(_parsed(SCORES, value) for value in body.get("scores") or [SCORES.members[0].kind])
        probe = Probe(float(body.get("sample_ratio", 0.1)), int(body.get("probe_steps", 50)))
        if not 0 < probe.sample_ratio <= 1 or probe.steps < 1:
            raise UserError("The sample is a share above 0 and up to 1, and a probe has at least one step.")
        if not body.get("run"):
            return cls(RunConfig.from_dict(body["config"]), scores, probe)
        with closing(Store(home)) as store:
            row = store.run(body["run"])
            found = store.checkpoint(row.id, body.get("checkpoint", "best"))
        return cls(row.config, scores, probe, found.adapter, found.step)


def _parsed(axis: Axis[Score], value: Any) -> Score:
    try:
        score: Score = axis.parse(value)
    except ValueError as error:
        raise UserError(str(error), path="score") from None
    return score


def importance_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """Measure; see the module for the body.

    Returns:
        layers: as `rankloom layers` has them.
        scores: one for each asked, with `kind`, `label`, `unit`, `tells`, `paper`, and `values` and `shares` by layer.
        blocks: block to the rise of the loss without its adapters, where ablation was asked for.
        agreement: the rank correlation of every pair of scores.
        source, step, examples, seconds: "base", "probe" or "run"; the run's step; and what it took.

    Raises:
        UserError: anything in the world that is not as the body says.
        Cancelled: by `progress`.
    """
    started = time.monotonic()
    request = Request.from_body(home, body)
    need_matrices(request.config)
    config = probes.shortened(request.config, request.probe.steps)
    ground = lay(config, home=home, folder=home.root, sink=Nowhere(), interrupt=Interrupt(), say=progress)
    examples = probes.sample(ground.data.train, request.probe.sample_ratio, config.seed)
    training = _assembled(request, ground, config, examples, progress)
    if ground.data.held_out:
        few = ground.data.held_out[:HELD_OUT]
        training.held_out = ground.batches(config, few).evaluation(config.train.batch)
    batches = ground.batches(config, examples, packing=False).evaluation(max(PAIR, config.train.batch))
    subject = Subject(training, batches, lambda share: None)
    source = _learn(request, training, subject, progress)
    with explained("while the layers were measured"):
        values = [_measured(subject, request.scores, place, progress) for place in range(len(request.scores))]
        blocks = by_block(subject) if any(isinstance(score, Ablation) for score in request.scores) else {}
    names = list(training.adapters.layers)
    return {
        "layers": [layer.plan.layer.to_dict() for layer in subject.layers],
        "scores": [_row(score, names, one, config.task) for score, one in zip(request.scores, values, strict=True)],
        "blocks": {str(block): _number(rise) for block, rise in blocks.items()},
        "agreement": [[_number(value) for value in row] for row in spearman_table(values).tolist()],
        "source": source,
        "step": request.step,
        "examples": len(examples),
        "seconds": time.monotonic() - started,
    }


def _assembled(request: Request, ground: Ground, config: RunConfig, examples: TokenList, progress: Say) -> Training:
    """A run's own layers, or all candidates: as the run would start them, where a score looks at what they learn."""
    if request.adapter is not None:
        return assemble(ground, config, state.read(request.adapter).plans, examples)
    if any(score.learned for score in request.scores):
        return tried(ground, config, examples, assemble, progress)
    return assemble(ground, config, ground.candidates, examples)


def _learn(request: Request, training: Training, subject: Subject, progress: Say) -> str:
    """Give the adapters what the scores look at: a run's values or a probe's, or nothing; which, in a word."""
    if request.adapter is not None:
        state.restore(training.adapters, state.read(request.adapter))
        return "run"
    if not any(score.learned for score in request.scores):
        return "base"
    extra = [callback for score in request.scores for callback in score.watching(subject)]
    steps = request.probe.steps

    def tell(step: int, loss: float) -> None:
        progress(f"Trying the layers: step {step} of {steps}, loss {loss:.3f}", step / steps)

    with explained("while the layers were tried"):
        probes.run(training, tell, extra)
    return "probe"


def _measured(subject: Subject, scores: Sequence[Score], place: int, progress: Say) -> list[float]:
    score = scores[place]

    def tell(share: float) -> None:
        progress(f"Measuring: {score.label}", (place + share) / len(scores))

    tell(0.0)
    subject.progress = tell
    return [float(value) for value in score.measure(subject)]


def _row(score: Score, names: Sequence[str], values: Sequence[float], task: str) -> dict[str, Any]:
    parts = shares(dict(zip(names, values, strict=True)))
    return {
        "kind": score.kind,
        "label": score.label,
        "unit": score.unit(task),
        "paper": score.paper,
        "tells": score.help(),
        "values": [_number(value) for value in values],
        "shares": [parts[name] for name in names],
    }


def _number(value: float) -> float | None:
    """As JSON knows it."""
    return value if math.isfinite(value) else None
