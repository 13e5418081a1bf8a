"""Where it is known which layers can help, the scores find them, and acting on them is enough.

Placed by each score among the 14 layers, the two that were planted, after a probe of 60 steps:

    output-ratio, sensitivity, ablation, relative-update   1 and 2
    output                                                 2 and 4 (1 and 1 among their own kind, as LoRA-drop asks)
    update                                                 1 and 5
    gradient, fisher                                       3 and 5, 4 and 6: they ask the base model alone
    effective-rank                                         12 and 14: it asks how many directions are used, not how much
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.config.forecast import count
from core.insight.allocation import keep_threshold, keep_top, spend
from core.insight.importance import SCORES
from core.insight.importance.subject import Subject
from core.insight.keeping import threshold, top
from core.layers import LayerInfo
from core.train import probe
from core.train.callbacks.evaluating import held_out_loss
from tests.core.insight.planted import PLANTED, Lessons, lesson, teacher

Scores = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[LayerInfo], Scores]:
    """Every score of every layer after one short probe."""
    training = lesson(tmp_path_factory.mktemp("probe"), steps=60)
    lessons = Lessons(teacher())
    subject = Subject(training, [lessons.batch(10_000 + place) for place in range(4)], lambda share: None)
    scores = [member() for member in SCORES.members]
    probe.run(training, lambda step, loss: None, [one for score in scores for one in score.watching(subject)])
    names = list(training.adapters.layers)
    found = {score.kind: dict(zip(names, map(float, score.measure(subject)), strict=True)) for score in scores}
    return [layer.plan.layer for layer in subject.layers], found


def loss_of(folder: Path, names: tuple[str, ...] | None) -> tuple[float, int]:
    """The held-out loss of a whole run on these layers, and how many numbers it trained."""
    training = lesson(folder, steps=300, names=names)
    probe.run(training, lambda step, loss: None)
    loss = held_out_loss(training)
    assert loss is not None
    return loss, training.adapters.count()


@pytest.mark.parametrize("kind", ["output-ratio", "sensitivity", "ablation", "relative-update"])
def test_the_planted_layers_come_first(probed: tuple[list[LayerInfo], Scores], kind: str) -> None:
    layers, scores = probed

    assert top(layers, scores[kind], 2, by_kind=False) == set(PLANTED)


def test_lora_drops_score_puts_them_first_among_their_kind(probed: tuple[list[LayerInfo], Scores]) -> None:
    layers, scores = probed

    assert top(layers, scores["output"], 1) >= set(PLANTED)
    assert threshold(layers, scores["output"], 0.9) >= set(PLANTED)


def test_a_probe_sees_more_than_the_base_model_alone(probed: tuple[list[LayerInfo], Scores]) -> None:
    _, scores = probed

    def places(kind: str) -> list[int]:
        order = sorted(scores[kind], key=lambda name: -scores[kind][name])
        return [order.index(name) for name in PLANTED]

    assert max(places("fisher")) < 7 and max(places("gradient")) < 7
    assert sum(places("ablation")) < sum(places("gradient"))


def test_acting_on_it_is_as_good_as_training_everything(probed: tuple[list[LayerInfo], Scores], tmp_path: Path) -> None:
    layers, scores = probed
    training = lesson(tmp_path, steps=1)
    adapter = training.config.adapter
    plans = [layer.plan for layer in training.adapters.layers.values()]
    proposal = keep_top(layers, plans, scores["ablation"], 2, adapter)
    everything, all_numbers = loss_of(tmp_path, None)
    kept, numbers = loss_of(tmp_path, tuple(plan.name for plan in proposal.plans))

    assert numbers == proposal.parameters <= all_numbers / 3
    assert kept <= 1.02 * everything
    spent = spend(layers, plans, scores["sensitivity"], all_numbers // 3, adapter)
    assert {plan.name for plan in spent.plans} >= set(PLANTED)
    assert np.argmax([plan.rank for plan in spent.plans]) == [plan.name for plan in spent.plans].index(PLANTED[0])
    carried = keep_threshold(layers, plans, scores["ablation"], 0.5, adapter, by_kind=False)
    assert count(carried.plans, adapter) < all_numbers / 3
