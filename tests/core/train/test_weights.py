"""The weighted loss is the one worked out by hand, whatever the rows and micro-batches are; weights of 1 are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.callback import Callback
from core.data.batches import Batch, Batches
from core.data.tokens import Tokens
from core.train.callbacks.evaluating import held_out_loss
from core.train.loss import TokenLoss
from core.train.trainer import train
from core.train.training import Training
from tests.core.train.small import VOCABULARY, random_batch, small_training
from tests.tiny import random_model


def examples(*, weighted: bool = True) -> list[Tokens]:
    """Random tokens, of which some are learned, some of those by other weights than 1."""
    generator = np.random.default_rng(4)
    found = []
    for number, length in enumerate((9, 14, 5, 11, 7, 12, 6, 10)):
        trained = generator.random(length) < 0.7
        trained[-1] = True
        weights = generator.choice([0.25, 1, 3.5], length).astype(np.float32) if weighted and number % 3 else None
        found.append(Tokens(generator.integers(3, VOCABULARY, length).astype(np.int32), trained, weights=weights))
    return found


def by_hand(model: torch.nn.Module, some: Sequence[Tokens]) -> torch.Tensor:
    """sum(w c) / sum(w), every example alone."""
    losses, weights = [], []
    for one in some:
        ids = torch.from_numpy(one.ids.astype(np.int64))
        logits = model(input_ids=ids[None]).logits[0, :-1]
        keep = torch.from_numpy(one.trained[1:].copy())
        losses.append(functional.cross_entropy(logits, ids[1:], reduction="none")[keep])
        own = torch.ones(len(one)) if one.weights is None else torch.from_numpy(one.weights.copy())
        weights.append(own[1:][keep])
    return (torch.cat(losses) * torch.cat(weights)).sum() / torch.cat(weights).sum()


class Gradients(Callback):
    """Keeps the gradients of a step."""

    training: Training

    def after_backward(self) -> None:
        self.found = [parameter.grad.clone() for parameter in self.training.adapters.parameters()]  # type: ignore[union-attr]


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_has_the_loss_and_gradients_that_one_works_out_by_hand(
    tmp_path: Path, packing: bool, accumulate: int
) -> None:
    kept, some = Gradients(), examples()
    kept.training = training = small_training(tmp_path, extra=[kept], accumulate=accumulate, clip=0, steps=1)
    training.rows = Batches(some, batch=len(some) // accumulate, accumulate=accumulate, max_tokens=64, packing=packing)
    with torch.no_grad():
        for parameter in training.adapters.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    loss = by_hand(training.model, some)
    wanted = torch.autograd.grad(loss, training.adapters.parameters())

    train(training)

    assert training.measured is not None
    assert training.measured.loss == pytest.approx(loss.item(), abs=1e-5)
    for got, want in zip(kept.found, wanted, strict=True):
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-4)
    assert training.progress.trained_tokens == sum(one.targets for one in some), "tokens are counted, not weighed"


@pytest.mark.parametrize("packing", [True, False])
def test_the_held_out_loss_is_measured_by_the_same_weights(tmp_path: Path, packing: bool) -> None:
    training, some = small_training(tmp_path), examples()
    training.held_out = Batches(some, batch=3, max_tokens=64, packing=packing).evaluation(3)
    assert held_out_loss(training) == pytest.approx(by_hand(training.model.eval(), some).item(), abs=1e-5)


@pytest.mark.parametrize(("family", "options"), [("gemma2", {"final_logit_softcapping": 5.0}), ("gpt2", {})])
def test_every_kind_of_head_weighs_alike(family: str, options: dict[str, Any]) -> None:
    model, some = random_model(family, **options).eval(), examples()
    (batch,) = Batches(some, batch=len(some), max_tokens=64, packing=False).micro_batches(0)
    assert (TokenLoss(model)(batch) / batch.counted).item() == pytest.approx(by_hand(model, some).item(), abs=1e-5)


def ones(batch: Batch) -> Batch:
    return replace(batch, weights=(batch.labels != -100).float())


def stepped(folder: Path, some: Sequence[Tokens]) -> tuple[float, list[torch.Tensor], float | None]:
    training = small_training(folder, accumulate=2, steps=2)
    rows = Batches(some, batch=2, accumulate=2, max_tokens=64)
    training.rows, training.held_out = rows, rows.evaluation(3)
    train(training)
    assert training.measured is not None
    return training.measured.loss, [p.detach() for p in training.adapters.parameters()], held_out_loss(training)


def test_weights_that_are_all_one_change_no_bit(tmp_path: Path) -> None:
    plain = examples(weighted=False)
    weighed = [replace(one, weights=np.ones(len(one), dtype=np.float32)) for one in plain]
    loss, values, held_out = stepped(tmp_path / "plain", plain)
    other, others, held_out_other = stepped(tmp_path / "ones", weighed)
    assert (loss, held_out) == (other, held_out_other)
    assert all(torch.equal(one, two) for one, two in zip(values, others, strict=True))


def test_a_sum_that_is_divided_by_what_it_weighs_is_that_divided_by_its_count() -> None:
    batch, objective = random_batch(2, 12, seed=3), TokenLoss(random_model("llama"))
    whole = objective(batch)
    assert torch.equal(whole / batch.counted, whole / batch.trained)
    assert objective(ones(batch)).item() == pytest.approx(whole.item(), rel=1e-6)
    assert ones(batch).counted == batch.trained
