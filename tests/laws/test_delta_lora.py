"""Delta-LoRA: the base that is never touched moves exactly as the paper's would (variants.md 9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from core.adapters import state
from core.adapters.attach import Adapters
from core.adapters.base.delta import Following
from core.adapters.storage import STORAGES
from tests.laws.test_rank_schedules import attached, loss_of
from tests.tiny import random_model

STEPS, RATIO = 6, 2.0


def train(adapter: dict[str, Any], *, begin: int | None, epsilon: float = 1e-8) -> Adapters:
    """Six AdamW steps in float64; `begin` is the 0-based step at which the base begins to follow."""
    ours, _ = attached(4, **adapter)
    ours.model.double()
    following = None if begin is None else Following(RATIO, begin, ours)
    optimizer = torch.optim.AdamW(ours.parameters(), lr=1e-2, eps=epsilon, weight_decay=0.1)
    for step in range(STEPS):
        if following:
            following.before_step(step)
        optimizer.zero_grad()
        loss_of(ours.model).backward()
        optimizer.step()
    return ours


def merged(adapters: Adapters) -> dict[str, torch.Tensor]:
    """The weights that each layer computes with, in float64."""
    found = {}
    for name, layer in adapters.layers.items():
        b, a = layer.factors()
        found[name] = (layer.base_weight() + layer.scale * b @ a).detach()
    return found


def test_the_virtual_form_is_the_papers_algorithm() -> None:
    """The algorithm box, literally: W is changed in place after each step beyond tau."""
    ours = train({"method": "delta-lora"}, begin=3)
    literal, _ = attached(4, method="lora")
    literal.model.double()
    optimizer = torch.optim.AdamW(literal.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(STEPS):
        before = {name: layer.own["b"].detach() @ layer.own["a"].detach() for name, layer in literal.layers.items()}
        optimizer.zero_grad()
        loss_of(literal.model).backward()
        optimizer.step()
        if step >= 3:
            for name, layer in literal.layers.items():
                change = layer.own["b"].detach() @ layer.own["a"].detach() - before[name]
                layer.base.weight.data.add_(change, alpha=RATIO * layer.scale)

    expected = merged(literal)
    for name, weight in merged(ours).items():
        assert torch.allclose(weight, expected[name], atol=1e-12), name


def test_the_base_stays_bit_for_bit_and_before_tau_it_is_lora() -> None:
    lora, late = train({"method": "lora"}, begin=None), train({"method": "delta-lora"}, begin=STEPS)
    fresh = random_model("llama").double()
    moved = train({"method": "delta-lora"}, begin=1)

    for (name, one), (_, other) in zip(merged(lora).items(), merged(late).items(), strict=True):
        assert torch.equal(one, other), name
    for name, layer in moved.layers.items():
        assert torch.equal(layer.base_weight(), fresh.get_submodule(name).weight), name


def test_from_the_first_step_with_adam_it_is_lora_with_a_larger_alpha() -> None:
    follows = train({"method": "delta-lora"}, begin=0, epsilon=1e-30)
    larger, _ = attached(4, method="lora")
    for layer in larger.layers.values():
        object.__setattr__(layer.plan, "alpha", layer.plan.alpha * (1 + RATIO))
    larger.model.double()
    optimizer = torch.optim.AdamW(larger.parameters(), lr=1e-2, eps=1e-30, weight_decay=0.1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of(larger.model).backward()
        optimizer.step()

    expected = merged(larger)
    for name, weight in merged(follows).items():
        assert torch.allclose(weight, expected[name], atol=1e-9), name


def test_the_rank_of_the_whole_change_is_at_most_twice_the_adapters() -> None:
    ours = train({"method": "delta-lora"}, begin=3)
    for layer in ours.layers.values():
        b, a = layer.factors()
        assert torch.linalg.matrix_rank((b @ a).detach()) <= 8


def test_a_saved_adapter_carries_the_bases_part(tmp_path: Path) -> None:
    ours = train({"method": "delta-lora"}, begin=2)
    ours.model.float()
    expected = loss_of(ours.model)
    state.save(ours, tmp_path)
    again = state.reattach(random_model("llama"), tmp_path, storage=STORAGES.default())

    assert torch.allclose(loss_of(again.model), expected, atol=1e-6)
    assert all(layer.carry == RATIO for layer in again.layers.values())
