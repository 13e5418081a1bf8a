"""The loss is transformers' own, for every family, whatever stands between its head and its logits."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from core.train import loss as loss_module
from core.train.loss import TokenLoss, aligned, chunked_loss
from tests.core.train.small import random_batch
from tests.tiny import LANGUAGE_FAMILIES, random_model


@pytest.mark.parametrize("family", LANGUAGE_FAMILIES)
def test_the_loss_and_its_gradient_are_the_models_own(family: str) -> None:
    model = random_model(family).train(False)
    batch = random_batch(3, 20, seed=3)
    objective = TokenLoss(model)
    ours = objective(batch) / batch.trained
    model.zero_grad()
    torch.autograd.backward(ours)
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    theirs = model(input_ids=batch.input_ids, labels=batch.labels).loss
    torch.autograd.backward(theirs)

    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name], parameter.grad, atol=1e-5, rtol=1e-4)


def test_capped_logits_are_respected() -> None:
    model = random_model("gemma2", final_logit_softcapping=0.05)
    batch = random_batch(2, 10, seed=4)

    objective = TokenLoss(model)

    assert not objective.plain
    assert (objective(batch) / batch.trained).item() == pytest.approx(
        model(input_ids=batch.input_ids, labels=batch.labels).loss.item(), abs=1e-5
    )


def test_an_ordinary_head_is_recognised() -> None:
    assert TokenLoss(random_model("llama")).plain
    assert TokenLoss(random_model("gpt2")).plain
    assert not TokenLoss(random_model("gemma2", final_logit_softcapping=30.0)).plain


def test_recognising_the_head_leaves_the_model_in_its_mode() -> None:
    model = random_model("gpt2").train()

    TokenLoss(model)

    assert model.training and all(module.training for module in model.modules())


@pytest.mark.parametrize("bias", [False, True])
def test_chunks_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch, bias: bool) -> None:
    monkeypatch.setattr(loss_module, "CPU_CHUNK", 16 * 50)
    torch.manual_seed(0)
    hidden = torch.randn(4, 30, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(50, 8, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(50, dtype=torch.float64, requires_grad=True) if bias else None
    keep = torch.rand(4, 30) > 0.3
    targets = torch.randint(0, 50, (int(keep.sum()),))
    inputs = [tensor for tensor in (hidden, weight, offset) if tensor is not None]

    total = chunked_loss(hidden, keep, targets, weight, offset)
    gradients = torch.autograd.grad(3 * total, inputs)
    whole = functional.cross_entropy(functional.linear(hidden[keep], weight, offset), targets, reduction="sum")
    expected = torch.autograd.grad(3 * whole, inputs)

    assert len(targets) > 32, "more than two chunks"
    assert total.item() == pytest.approx(whole.item(), rel=1e-6)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_label_is_the_target_of_the_position_before_it() -> None:
    labels = torch.tensor([[-100, 5, -100, 7], [-100, -100, -100, 9]])

    targets, keep = aligned(labels)

    assert targets.tolist() == [5, 7, 9]
    assert keep.tolist() == [[True, False, True, False], [False, False, True, False]]


def test_no_gradient_is_worked_out_for_an_evaluation() -> None:
    model = random_model("llama").requires_grad_(False)
    batch = random_batch(2, 10, seed=5)

    with torch.no_grad():
        value = TokenLoss(model)(batch)

    assert not value.requires_grad
