"""Where it is known which layers can help, each score finds them as far as it says, and acting on it is enough."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from core.insight.allocation import Proposal, keep_threshold, keep_top, spend
from core.insight.importance import SCORES
from core.insight.importance.score import Planted, Score
from core.insight.importance.subject import Subject
from core.insight.keeping import threshold, top
from core.layers import LayerPlan
from core.train import probe
from core.train.callbacks.evaluating import held_out_loss
from core.train.training import Training
from tests.core.insight.planted import Lessons, Plant, candidates, lesson
from tests.source import ROOT

PLANTS = (Plant("v_proj", 0, 2, 2), Plant("o_proj", 1, 0, 6), Plant("o_proj", 2, 1, 10))
"""Each role of attention, each block, MLPs before and behind: no habit of a score is right everywhere."""
PLANT = PLANTS[0]
PROBE, WHOLE = 30, 60
KINDS = [member.kind for member in SCORES.members]
FOUND = {kind: SCORES[kind].finds_planted for kind in KINDS}
FIRST = [kind for kind in KINDS if FOUND[kind] is Planted.FIRST]

Measured = dict[str, dict[str, float]]


def told(training: Training, plant: Plant, *, learn: bool) -> Measured:
    """Every score of every layer, of a training as it is or after it has been run."""
    subject = Subject(training, Lessons.of(plant).batches(10_000, 4), lambda share: None)
    scores: list[Score] = [member() for member in SCORES.members]
    if learn:
        probe.run(training, lambda step, loss: None, [one for score in scores for one in score.watching(subject)])
    names = list(training.adapters.layers)
    return {score.kind: dict(zip(names, map(float, score.measure(subject)), strict=True)) for score in scores}


def place(plant: Plant, values: dict[str, float]) -> Planted:
    """Where a score has put the planted layers."""
    layers = [plan.layer for plan in candidates(plant)]
    if top(layers, values, 2, by_kind=False) == set(plant.names):
        return Planted.FIRST
    return Planted.OF_KIND if top(layers, values, 1) >= set(plant.names) else Planted.ANYWHERE


def loss_of(folder: Path, plans: Collection[LayerPlan]) -> float:
    """The held-out loss of a whole run on these layers."""
    training = lesson(folder, PLANT, steps=WHOLE, plans=list(plans))
    probe.run(training, lambda step, loss: None)
    loss = held_out_loss(training)
    assert loss is not None
    return loss


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> dict[Plant, Measured]:
    """What the scores say after a short probe."""
    folder = tmp_path_factory.mktemp("probe")
    trainings = {plant: lesson(folder, plant, steps=PROBE, plans=candidates(plant)) for plant in PLANTS}
    return {plant: told(training, plant, learn=True) for plant, training in trainings.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float, Measured, Measured]:
    """A run on all layers: the held-out losses and the scores before and after it."""
    training = lesson(tmp_path_factory.mktemp("whole"), PLANT, steps=WHOLE, plans=candidates(PLANT))
    untouched, before = held_out_loss(training), told(training, PLANT, learn=False)
    after = told(training, PLANT, learn=True)
    loss = held_out_loss(training)
    assert untouched is not None and loss is not None
    return untouched, loss, before, after


def test_only_the_planted_layers_can_help(tmp_path: Path, whole: tuple[float, float, Measured, Measured]) -> None:
    untouched, trained, _, _ = whole
    rest = loss_of(tmp_path, [plan for plan in candidates(PLANT) if plan.name not in PLANT.names])

    assert trained < 0.6 * untouched
    assert rest > 0.999 * untouched


@pytest.mark.parametrize("kind", KINDS)
def test_each_score_finds_the_planted_layers_as_far_as_it_says(probed: dict[Plant, Measured], kind: str) -> None:
    places = [place(plant, scores[kind]) for plant, scores in probed.items()]

    assert max(places, key=list(Planted).index) is FOUND[kind], places


def test_before_a_training_only_the_base_models_scores_say_anything(
    whole: tuple[float, float, Measured, Measured],
) -> None:
    _, _, before, after = whole

    for kind in KINDS:
        if SCORES[kind].learned:
            assert not any(before[kind].values())
        else:
            assert before[kind] == pytest.approx(after[kind], rel=1e-4)
    assert place(PLANT, before["gradient"]) is Planted.FIRST


@pytest.mark.parametrize("kind", FIRST)
def test_what_finds_them_after_a_probe_finds_them_after_a_whole_run(
    whole: tuple[float, float, Measured, Measured], kind: str
) -> None:
    assert place(PLANT, whole[3][kind]) is Planted.FIRST


def test_lora_drops_threshold_keeps_them(probed: dict[Plant, Measured]) -> None:
    for plant, scores in probed.items():
        assert threshold([plan.layer for plan in candidates(plant)], scores["output"], 0.9) >= set(plant.names)


@pytest.mark.parametrize("way", ["top", "top of each kind", "budget", "threshold"])
def test_acting_on_a_score_is_as_good_as_training_everything(
    tmp_path: Path, probed: dict[Plant, Measured], whole: tuple[float, float, Measured, Measured], way: str
) -> None:
    plans, scores = candidates(PLANT), probed[PLANT]
    training = lesson(tmp_path, PLANT, steps=1, plans=plans)
    everything, adapter, layers = training.adapters.count(), training.config.adapter, [plan.layer for plan in plans]
    proposal: Proposal
    if way == "top":
        proposal = keep_top(layers, plans, scores["gradient"], 2, adapter)
        assert {plan.name for plan in proposal.plans} == set(PLANT.names)
    elif way == "top of each kind":
        proposal = keep_top(layers, plans, scores["output"], 1, adapter, by_kind=True)
    elif way == "budget":
        proposal = spend(layers, plans, scores["sensitivity"], everything // 3, adapter)
    else:
        proposal = keep_threshold(layers, plans, scores["ablation"], 0.8, adapter, by_kind=False)

    assert proposal.parameters <= everything / 3
    assert {plan.name for plan in proposal.plans} >= set(PLANT.names)
    assert loss_of(tmp_path, proposal.plans) <= 1.02 * whole[1]


def test_the_help_says_how_far_each_score_finds_them() -> None:
    page = (ROOT / "resources" / "help" / "insight.md").read_text(encoding="utf-8")

    for kind in KINDS:
        name = SCORES[kind].label.partition(" |")[0]
        row = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
        assert row.endswith(f"| {FOUND[kind]} |")
