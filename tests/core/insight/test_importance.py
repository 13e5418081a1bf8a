"""Scores of importance: each equals what its definition gives on a small model, and the job and the command answer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core import worker
from core.commandline.entry import main
from core.config import files
from core.errors import Cancelled, UserError
from core.home import Home
from core.insight.importance import SCORES
from core.insight.importance.ablation import by_block
from core.insight.importance.score import Score
from core.insight.importance.subject import Subject
from core.sink import Nowhere
from core.store.store import Store
from core.train.importance import importance_job
from core.train.interrupt import Interrupt
from core.train.precision import Precision
from core.train.prepare import assemble, lay
from core.train.starting import tried
from core.train.training import Training
from tests.core.train.small import random_batch, small_training
from tests.whole.small_runs import create, small_config


@pytest.fixture
def training(tmp_path: Path) -> Training:
    """A tiny Llama whose adapters have been moved at random."""
    found = small_training(tmp_path)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.adapters.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return found


@pytest.fixture
def subject(training: Training) -> Subject:
    batches = [random_batch(2, 9, seed=4), random_batch(2, 7, seed=5)]
    batches[1].attention_mask[1, 4:] = 0  # type: ignore[index]
    batches[1].labels[1, 4:] = -100
    return Subject(training, batches, lambda share: None)


def measured(kind: str, subject: Subject) -> np.ndarray:
    score: Score = SCORES[kind]()
    return score.measure(subject)


def heard(subject: Subject, place: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What a layer was given, real tokens only, and its mask, batch by batch."""
    layer, found = subject.layers[place], []
    handle = layer.register_forward_hook(lambda _m, args, _o: found.append(args[0].detach()))
    with torch.no_grad(), subject.training.precision.autocast():
        for batch in subject.batches:
            subject.training.objective(batch)
    handle.remove()
    return [(x, batch.attention_mask.bool()) for x, batch in zip(found, subject.batches, strict=True)]  # type: ignore[union-attr]


@pytest.mark.parametrize("place", [0, 6, 13])
def test_the_output_score_is_the_mean_square_of_the_dense_output(subject: Subject, place: int) -> None:
    layer = subject.layers[place]
    x = torch.cat([x[mask] for x, mask in heard(subject, place)]).double()
    added = (x @ layer.delta_weight().double().T).square().sum(1).mean()
    base = (x @ layer.base_weight().double().T).square().sum(1).mean()

    assert measured("output", subject)[place] == pytest.approx(float(added), rel=1e-5)
    assert measured("output-ratio", subject)[place] == pytest.approx(float((added / base).sqrt()), rel=1e-5)


def test_the_output_score_is_of_full_precision_where_the_model_computes_in_less(subject: Subject) -> None:
    subject.training.precision = Precision(torch.device("cpu"), torch.bfloat16)
    x = torch.cat([x[mask] for x, mask in heard(subject, 6)]).double()
    added = (x @ subject.layers[6].delta_weight().double().T).square().sum(1).mean()

    assert measured("output", subject)[6] == pytest.approx(float(added), rel=1e-5)


def test_sensitivity_is_adaloras_importance_summed_over_the_ranks(subject: Subject) -> None:
    name, layer = list(subject.training.adapters.layers.items())[6]
    means, spreads = dict.fromkeys("ab", torch.zeros(())), dict.fromkeys("ab", torch.zeros(()))
    for batch in subject.batches:
        (subject.training.objective(batch) / batch.counted).backward()
        for key in "ab":
            now = (layer.own[key].detach() * layer.own[key].grad).abs()
            means[key] = 0.7 * means[key] + 0.3 * now
            spreads[key] = 0.6 * spreads[key] + 0.4 * (now - means[key]).abs()
        subject.training.model.zero_grad(set_to_none=True)
    scores = SCORES.parse({"kind": "sensitivity", "beta1": 0.7, "beta2": 0.6}).measure(subject)

    expected = (means["a"] * spreads["a"]).mean(1).sum() + (means["b"] * spreads["b"]).mean(0).sum()
    place = list(subject.training.adapters.layers).index(name)
    assert scores[place] == pytest.approx(float(expected), rel=1e-4)


def test_doras_row_lengths_are_a_part_of_what_the_adapter_adds(tmp_path: Path) -> None:
    training = small_training(tmp_path, adapter={"method": "dora", "rank": 4, "alpha": 8})
    subject = Subject(training, [random_batch(2, 9, seed=4)], lambda share: None)
    layer = subject.layers[3]
    with torch.no_grad():
        layer.own["m"].mul_(1.5)  # B is still zero: all that the adapter adds is half of the base's output
    ratio, added = measured("output-ratio", subject), measured("output", subject)

    assert ratio[3] == pytest.approx(0.5, rel=1e-5) and added[3] > 0
    assert not np.delete(added, 3).any()


def test_scaling_a_factor_scales_the_output_score_by_its_square(subject: Subject) -> None:
    before = measured("output", subject)
    with torch.no_grad():
        subject.layers[-1].own["b"].mul_(3)

    after = measured("output", subject)
    assert after[-1] == pytest.approx(9 * before[-1], rel=1e-5)
    np.testing.assert_allclose(after[:-1], before[:-1], rtol=1e-6)


def test_the_order_of_examples_changes_no_output_score(subject: Subject) -> None:
    before = measured("output", subject)
    subject.batches = list(reversed(subject.batches))

    np.testing.assert_allclose(measured("output", subject), before, rtol=1e-6)


def dense(subject: Subject, place: int) -> list[list[torch.Tensor]]:
    """Every example's gradient of the frozen weight, its loss summed over its tokens, batch by batch."""
    weight, model = subject.layers[place].base.get_parameter("weight"), subject.training.model
    found: list[list[torch.Tensor]] = []
    with subject.training.adapters.disabled():
        weight.requires_grad_(True)
        for batch in subject.batches:
            found.append([])
            for ids, mask, labels in zip(batch.input_ids, batch.attention_mask, batch.labels, strict=True):  # type: ignore[arg-type]
                logits = model(input_ids=ids[None], attention_mask=mask[None]).logits[0, :-1]
                torch.nn.functional.cross_entropy(logits, labels[1:], reduction="sum", ignore_index=-100).backward()
                assert weight.grad is not None
                found[-1].append(weight.grad.double())
                weight.grad = None
        weight.requires_grad_(False)
    return found


@pytest.mark.parametrize("place", [3, 4])
def test_fisher_and_gradient_are_those_of_a_weight_that_asks_for_gradients(subject: Subject, place: int) -> None:
    first, second = dense(subject, place)
    losses = sum(batch.trained for batch in subject.batches)

    squares = [float(each.square().sum()) for each in (*first, *second)]
    agreed = float((first[0] * first[1]).sum() + (second[0] * second[1]).sum()) / 2

    assert measured("fisher", subject)[place] == pytest.approx(np.mean(squares), rel=1e-4)
    assert measured("gradient", subject)[place] == pytest.approx(4 / losses * np.sqrt(max(agreed, 0)), rel=1e-4)


def test_examples_that_agree_have_the_gradient_of_their_mean(subject: Subject) -> None:
    """Of an example twice, which has no noise, it is the gradient's norm; alone, it is taken as it is."""
    place, (batch, *_) = 3, subject.batches
    rows = [0, 0]
    mask, trained = batch.attention_mask, int((batch.labels[0] >= 0).sum())
    assert mask is not None
    twice = replace(batch, input_ids=batch.input_ids[rows], labels=batch.labels[rows], trained=2 * trained)
    once = replace(
        batch, input_ids=batch.input_ids[:1], labels=batch.labels[:1], attention_mask=mask[:1], trained=trained
    )
    subject.batches = [once]
    ((alone,),) = dense(subject, place)
    expected = pytest.approx(float(alone.norm()) / once.trained, rel=1e-4)

    assert measured("gradient", subject)[place] == expected
    subject.batches = [twice]
    assert measured("gradient", subject)[place] == expected


def test_texts_that_are_judged_together_are_one_example(subject: Subject) -> None:
    place, pair = 3, replace(subject.batches[0], sources=((5, 0), (5, 1)))
    subject.batches = [pair]
    ((chosen, rejected),) = dense(subject, place)

    together = float((chosen + rejected).square().sum())
    assert measured("fisher", subject)[place] == pytest.approx(together, rel=1e-4)


def test_ablation_is_the_loss_without_a_layer_and_leaves_all_on(subject: Subject) -> None:
    training = subject.training

    def loss() -> float:
        with torch.no_grad():
            return sum(float(training.objective(b)) for b in training.held_out) / sum(
                b.trained for b in training.held_out
            )

    training.model.eval()
    whole = loss()
    subject.layers[2].enabled = False
    without = loss()
    subject.layers[2].enabled = True

    assert measured("ablation", subject)[2] == pytest.approx(without - whole, abs=1e-6)
    assert all(layer.enabled for layer in subject.layers)
    assert by_block(subject) == {}  # the layers of this helper say no block


def test_a_rise_of_the_loss_is_counted_as_the_loss_is() -> None:
    assert SCORES["ablation"]().unit("preference") == "nats per pair"
    assert not SCORES["output"]().unit("preference")


def test_update_scores_are_those_of_the_dense_change(subject: Subject) -> None:
    change, weight = subject.layers[5].delta_weight(), subject.layers[5].base_weight()

    assert measured("update", subject)[5] == pytest.approx(float(change.norm()), rel=1e-5)
    assert measured("relative-update", subject)[5] == pytest.approx(float(change.norm() / weight.norm()), rel=1e-5)
    assert 1 < measured("effective-rank", subject)[5] <= 4


@pytest.mark.parametrize("kind", [member.kind for member in SCORES.members])
def test_measuring_leaves_the_model_as_it_was(subject: Subject, kind: str) -> None:
    before = {name: value.clone() for name, value in subject.training.model.state_dict().items()}
    state = torch.get_rng_state()

    assert np.isfinite(measured(kind, subject)).all()

    assert all(torch.equal(value, before[name]) for name, value in subject.training.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in subject.training.model.parameters())


@pytest.mark.parametrize("kind", [member.kind for member in SCORES.members])
def test_a_score_says_what_it_can_and_cannot_tell(kind: str) -> None:
    said = SCORES[kind].help()

    assert "It tells" in said and said.endswith(".")
    assert any(word in said for word in ("cannot", "missed", "worthless", "blind"))


def quiet(_text: str, _share: float | None) -> None:
    """Nobody watches."""


def test_the_job_asks_all_scores_of_a_configuration(home: Home, tmp_path: Path) -> None:
    kinds = [member.kind for member in SCORES.members]
    body = {"config": small_config(tmp_path).to_dict(), "scores": kinds, "sample_ratio": 0.5, "probe_steps": 3}

    found = json.loads(json.dumps(importance_job(home, body, quiet)))

    assert [score["kind"] for score in found["scores"]] == kinds
    assert found["source"] == "probe" and len(found["layers"]) == 14 and found["examples"] == 10
    for score in found["scores"]:
        assert len(score["values"]) == len(score["shares"]) == 14
        assert sum(score["shares"]) == pytest.approx(1.0) and min(score["shares"]) >= 0
    assert set(found["blocks"]) == {"0", "1"}
    assert np.array(found["agreement"]).shape == (9, 9)
    assert importance_job(home, body, quiet)["scores"] == found["scores"]


def test_the_job_looks_into_a_run(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    run = create(store, tmp_path)
    store.close()
    assert worker.main(home, run) == 0

    found = importance_job(home, {"run": run, "scores": ["update", "sensitivity"], "checkpoint": "last"}, quiet)

    assert (found["source"], found["step"]) == ("run", 6)
    assert min(found["scores"][0]["values"]) > 0 and min(found["scores"][1]["values"]) > 0
    with pytest.raises(UserError, match="no checkpoint '5'"):
        importance_job(home, {"run": run, "checkpoint": 5}, quiet)


def test_what_needs_no_training_gets_none(home: Home, tmp_path: Path) -> None:
    found = importance_job(home, {"config": small_config(tmp_path).to_dict(), "scores": ["fisher"]}, quiet)

    assert found["source"] == "base"


@pytest.mark.parametrize("word", ["Trying", "Measuring"])
def test_the_job_ends_when_it_is_cancelled(home: Home, tmp_path: Path, word: str) -> None:
    def impatient(text: str, _share: float | None) -> None:
        if text.startswith(word):
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        importance_job(home, {"config": small_config(tmp_path).to_dict(), "probe_steps": 2}, impatient)


def test_an_unknown_score_is_answered_with_those_there_are(home: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'output'"):
        importance_job(home, {"config": small_config(tmp_path).to_dict(), "scores": ["outputt"]}, quiet)


@pytest.mark.parametrize("none", [{"sample_ratio": 0.0}, {"probe_steps": 0}])
def test_a_probe_of_nothing_is_refused(home: Home, tmp_path: Path, none: dict[str, float]) -> None:
    with pytest.raises(UserError, match="a share above 0"):
        importance_job(home, {"config": small_config(tmp_path).to_dict(), **none}, quiet)


def test_the_command_prints_the_ranking(home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files.write(small_config(tmp_path), tmp_path / "run.yaml")
    words = ["importance", str(tmp_path / "run.yaml"), "--score", "gradient", "--json", "--home", str(home.root)]

    assert main(words) == 0

    rows = json.loads(capfd.readouterr().out)
    assert len(rows) == 14 and set(rows[0]) == {"name", "score", "share"}
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_a_probe_starts_as_the_run_would_and_tries_what_its_start_gives_nothing_too(home: Home, tmp_path: Path) -> None:
    config = small_config(tmp_path, adapter={"method": "eva", "rank": 8})
    ground = lay(config, home=home, folder=home.root, sink=Nowhere(), interrupt=Interrupt(), say=lambda *_: None)

    layers = tried(ground, config, ground.data.train, assemble, lambda *_: None).adapters.layers

    assert list(layers) == [plan.name for plan in ground.candidates]
    ranks = [layer.plan.rank for layer in layers.values()]
    assert len(set(ranks)) > 1, "EVA has given ranks out"
    given = [layer for layer in layers.values() if layer.own["start_a"].any()]
    assert len(given) > len(layers) / 2
    for layer in given:
        a = layer.own["a"].detach()
        assert torch.allclose(a @ a.T, torch.eye(len(a)), atol=1e-4), "orthonormal, as random rows are not"
