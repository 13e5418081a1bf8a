"""An outside judge of the changes that have no two factors: peft with identical tensors."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import peft
import pytest
import torch
from torch import nn

from core.adapters.attach import Adapters, attach
from core.adapters.delta.lokr import divided
from core.adapters.norms import delta_norms
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig, TrainConfig
from core.layers import LayerPlan
from core.models.walk import walk
from core.optim.groups import groups
from core.optim.optimizers.adamw import AdamW
from tests.laws.world import tokens
from tests.tiny import random_model

# peft 0.21 asks transformers 5 by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

RANK, ALPHA = 3, 6.0
TARGETS = ("q_proj", "v_proj", "down_proj")
NAMES = {
    "loha": {"b1": "hada_w1_a", "a1": "hada_w1_b", "b2": "hada_w2_a", "a2": "hada_w2_b"},
    "lokr": {"c": "lokr_w1", "d_b": "lokr_w2_a", "d_a": "lokr_w2_b", "d": "lokr_w2"},
}
POINTS: list[Any] = [
    pytest.param("loha", {}, RANK, id="loha"),
    pytest.param("lokr", {"factor": 2}, RANK, id="lokr with a low-rank second factor"),
    pytest.param("lokr", {}, 64, id="lokr with a whole second factor"),
]
Pair = tuple[str, nn.Parameter, nn.Parameter]


def pair(method: str, options: dict[str, int], rank: int) -> tuple[Adapters, nn.Module, list[Pair]]:
    """The same random adapter twice, ours and peft's, and the tensors of both beside one another."""
    model = random_model("llama")
    config = AdapterConfig.model_validate(
        {"method": method, "delta": {"kind": method, **options}, "rank": rank, "alpha": ALPHA, "layers": TARGETS}
    )
    plans = [LayerPlan(layer, rank, ALPHA) for layer in walk(model) if layer.suffix in TARGETS]
    size: dict[str, Any] = {"r": rank, "alpha": ALPHA, "target_modules": list(TARGETS)}
    settings = (
        peft.LoHaConfig(**size)
        if method == "loha"
        else peft.LoKrConfig(**size, decompose_factor=options.get("factor", -1))
    )
    theirs = peft.get_peft_model(copy.deepcopy(model), settings)
    ours = attach(model, plans, config, seed=0, storage=STORAGES.default())
    generator = torch.Generator().manual_seed(5)
    found = []
    with torch.no_grad():
        for name, layer in ours.layers.items():
            module = theirs.get_submodule(f"base_model.model.{name}")
            for key, parameter in layer.own.items():
                other = getattr(module, NAMES[method][key])["default"]
                assert bool(other.any()) == bool(parameter.any()), "another start"
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
                other.copy_(parameter)
                found.append((f"{name}.{key}", parameter, other))
    assert len(found) == sum(parameter.requires_grad for parameter in theirs.parameters())
    return ours, theirs, found


def loss_of(model: nn.Module) -> torch.Tensor:
    ids = tokens()
    loss: torch.Tensor = model(input_ids=ids, labels=ids).loss
    return loss


@pytest.mark.parametrize(("method", "options", "rank"), POINTS)
def test_output_and_gradients_are_pefts(method: str, options: dict[str, int], rank: int) -> None:
    ours, theirs, beside = pair(method, options, rank)
    mine, other = loss_of(ours.model), loss_of(theirs)
    mine.backward()
    other.backward()

    assert torch.allclose(mine, other, atol=1e-6)
    for name, parameter, reference in beside:
        assert torch.allclose(parameter.grad, reference.grad, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize(("method", "options", "rank"), POINTS)
def test_ten_optimizer_steps_end_where_peft_ends(method: str, options: dict[str, int], rank: int) -> None:
    ours, theirs, beside = pair(method, options, rank)
    train = TrainConfig(learning_rate=1e-3)
    mine = train.optimizer.build(groups(ours, train))
    other = torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.0)
    for _ in range(10):
        for model, optimizer in ((ours.model, mine), (theirs, other)):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()

    for name, parameter, reference in beside:
        assert torch.allclose(parameter, reference, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize(("method", "options", "rank"), POINTS)
def test_norms_of_a_dense_change_are_its_own(method: str, options: dict[str, int], rank: int) -> None:
    layers = list(pair(method, options, rank)[0].layers.values())
    norms = torch.from_numpy(delta_norms(layers))

    assert torch.allclose(norms, torch.stack([layer.delta_weight().norm() for layer in layers]), rtol=1e-5)
    for layer in layers:
        b, a = layer.factors()
        assert torch.allclose(layer.scale * b @ a, layer.delta_weight(), atol=1e-6)


@pytest.mark.parametrize(
    ("size", "factor", "parts"),
    [(256, 0, (16, 16)), (128, 0, (8, 16)), (127, 0, (1, 127)), (128, 4, (4, 32)), (127, 4, (1, 127))],
)
def test_a_size_is_divided_as_evenly_as_can_be(size: int, factor: int, parts: tuple[int, int]) -> None:
    assert divided(size, factor) == parts


@pytest.mark.parametrize("folded", [False, True])
def test_full_fine_tuning_is_the_training_of_the_weights_themselves(folded: bool) -> None:
    model = random_model("llama")
    literal = copy.deepcopy(model)
    plans = [LayerPlan(layer, RANK, ALPHA) for layer in walk(model) if layer.suffix in TARGETS]
    config = AdapterConfig(method="full", layers=TARGETS)
    ours = attach(model, plans, config, seed=0, storage=STORAGES.default())
    if folded:
        ours.fold()
    weights = {name: literal.get_submodule(name).weight for name in ours.layers}
    literal.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    # A change that is told apart from its weight does not know what to draw towards 0.
    decay = 0.1 if folded else 0.0
    train = TrainConfig(learning_rate=1e-3, optimizer=AdamW(weight_decay=decay))
    mine = train.optimizer.build(groups(ours, train))
    other = torch.optim.AdamW(weights.values(), lr=1e-3, weight_decay=decay, fused=True)
    for _ in range(10):
        for stepped, optimizer in ((ours.model, mine), (literal, other)):
            optimizer.zero_grad()
            loss_of(stepped).backward()
            optimizer.step()

    for name, layer in ours.layers.items():
        assert torch.allclose(layer.merged_weight(), weights[name], rtol=1e-4, atol=1e-5), name
        assert not folded or torch.equal(layer.own["change"], weights[name]), name


def test_what_a_folded_layer_says_of_its_change_is_what_it_said_before() -> None:
    model = random_model("llama")
    plans = [LayerPlan(layer, RANK, ALPHA) for layer in walk(model) if layer.suffix in TARGETS]
    config = AdapterConfig(method="full", layers=TARGETS)
    adapters = attach(model, plans, config, seed=0, storage=STORAGES.default())
    with torch.no_grad(), adapters.disabled():
        base = loss_of(model)
    adapters.take({f"{name}.change": torch.randn_like(layer.own["change"]) for name, layer in adapters.layers.items()})
    layers = list(adapters.layers.values())
    with torch.no_grad():
        before = loss_of(model), delta_norms(layers), [layer.delta_weight() for layer in layers]
        adapters.fold()
        after = loss_of(model), delta_norms(layers), [layer.delta_weight() for layer in layers]
        with adapters.disabled():
            assert torch.equal(loss_of(model), base)

    assert all(layer.folded for layer in layers)
    assert torch.allclose(before[0], after[0], rtol=1e-5)
    np.testing.assert_allclose(before[1], after[1], rtol=1e-5)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(before[2], after[2], strict=True))
