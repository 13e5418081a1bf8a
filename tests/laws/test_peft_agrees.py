"""An outside judge: peft with identical tensors gives the same output, gradients, and parameters after ten steps.

Where we differ on purpose the test says so. peft is a test dependency only; the product never imports it.
"""

from __future__ import annotations

import copy
from typing import Any

import peft
import pytest
import torch
from torch import nn

from core.adapters.attach import Adapters, attach
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig, TrainConfig
from core.layers import LayerPlan
from core.models.walk import walk
from core.optim.groups import groups
from tests.laws.world import tokens
from tests.tiny import random_model

# peft 0.21 asks transformers 5 by a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

RANK, ALPHA = 4, 6.0
METHODS: dict[str, dict[str, Any]] = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
}
TARGETS = {
    "llama": ["q_proj", "v_proj", "down_proj"],
    "gpt2": ["c_attn", "mlp.c_proj"],
    "gpt_neox": ["query_key_value"],
}


def pair(family: str, method: str, **config: Any) -> tuple[Adapters, nn.Module]:
    """The same random adapter twice: ours, and peft's."""
    model = random_model(family)
    theirs = peft.get_peft_model(
        copy.deepcopy(model),
        peft.LoraConfig(
            r=RANK, lora_alpha=ALPHA, target_modules=TARGETS[family], lora_dropout=config.get("dropout", 0.0),
            fan_in_fan_out=family == "gpt2", **METHODS[method],
        ),
    )  # fmt: skip
    adapter = AdapterConfig(method=method, rank=RANK, alpha=ALPHA, layers=tuple(TARGETS[family]), **config)
    plans = [
        LayerPlan(layer, RANK, ALPHA)
        for layer in walk(model)
        if any(layer.name.endswith(target) for target in TARGETS[family]) and layer.adaptable
    ]
    ours = attach(model, plans, adapter, seed=0, storage=STORAGES.default())
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, layer in ours.layers.items():
            module = theirs.get_submodule(f"base_model.model.{name}")
            layer.own["b"].normal_(0, 0.1, generator=generator)
            module.lora_A["default"].weight.copy_(layer.own["a"])
            module.lora_B["default"].weight.copy_(layer.own["b"])
    return ours, theirs


def matching(ours: Adapters, theirs: nn.Module) -> list[tuple[str, nn.Parameter, nn.Parameter]]:
    """Our trained tensors beside peft's."""
    names = {"a": "lora_A.default.weight", "b": "lora_B.default.weight", "m": "lora_magnitude_vector.default.weight"}
    found = []
    for name, layer in ours.layers.items():
        for key, parameter in layer.own.items():
            other = theirs.get_parameter(f"base_model.model.{name}.{names[key]}")
            found.append((f"{name}.{key}", parameter, other))
    return found


def loss_of(model: nn.Module) -> torch.Tensor:
    ids = tokens()
    loss: torch.Tensor = model(input_ids=ids, labels=ids).loss
    return loss


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", TARGETS)
def test_output_and_gradients_are_pefts(family: str, method: str) -> None:
    ours, theirs = pair(family, method)
    loss_of(ours.model).backward()
    loss_of(theirs).backward()

    assert torch.allclose(loss_of(ours.model), loss_of(theirs), atol=1e-6)
    for name, mine, other in matching(ours, theirs):
        assert torch.allclose(mine.grad, other.grad, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("method", METHODS)
def test_ten_optimizer_steps_end_where_peft_ends(method: str) -> None:
    ours, theirs = pair("llama", method)
    train = TrainConfig(learning_rate=1e-2)
    mine = train.optimizer.build(groups(ours, train))
    other = torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.0)
    for _ in range(10):
        for model, optimizer in ((ours.model, mine), (theirs, other)):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()

    for name, parameter, reference in matching(ours, theirs):
        assert torch.allclose(parameter, reference, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("method", ["dora"])
def test_the_authors_dropout_form_is_pefts(method: str) -> None:
    ours, theirs = pair("llama", method, dropout=0.3)
    ours.model.train(), theirs.train()
    torch.manual_seed(11)
    mine = loss_of(ours.model)
    torch.manual_seed(11)
    other = loss_of(theirs)

    assert torch.allclose(mine, other, atol=1e-6)


def test_vera_is_pefts() -> None:
    model = random_model("llama")
    targets = ["q_proj", "down_proj"]
    settings = peft.VeraConfig(r=8, target_modules=targets, projection_prng_key=3, d_initial=0.1)
    theirs = peft.get_peft_model(copy.deepcopy(model), settings)
    config = AdapterConfig(method="vera", rank=8, layers=tuple(targets))
    plans = [LayerPlan(layer, 8, 1.0) for layer in walk(model) if layer.suffix in targets]
    ours = attach(model, plans, config, seed=0, storage=STORAGES.default())
    bound = {name: tensor.abs().max() for name, tensor in ours.shared.items()}
    vera_a, vera_b = theirs.base_model.vera_A["default"], theirs.base_model.vera_B["default"]

    assert ours.shared["vera_a"].shape == vera_a.shape and ours.shared["vera_b"].shape == vera_b.shape
    assert torch.allclose(bound["vera_a"], vera_a.abs().max(), rtol=0.05)
    assert torch.allclose(bound["vera_b"], vera_b.abs().max(), rtol=0.05)
    with torch.no_grad():
        ours.shared["vera_a"].copy_(vera_a)
        ours.shared["vera_b"].copy_(vera_b)
        for name, layer in ours.layers.items():
            module = theirs.get_submodule(f"base_model.model.{name}")
            assert torch.equal(layer.own["lambda_d"], module.vera_lambda_d["default"])
            layer.own["lambda_b"].normal_(0, 0.1)
            module.vera_lambda_b["default"].copy_(layer.own["lambda_b"])
    loss_of(ours.model).backward()
    loss_of(theirs).backward()

    assert torch.allclose(loss_of(ours.model), loss_of(theirs), atol=1e-6)
    for name, layer in ours.layers.items():
        module = theirs.get_submodule(f"base_model.model.{name}")
        assert torch.allclose(layer.own["lambda_b"].grad, module.vera_lambda_b["default"].grad, atol=1e-6), name
        assert torch.allclose(layer.own["lambda_d"].grad, module.vera_lambda_d["default"].grad, atol=1e-6), name
