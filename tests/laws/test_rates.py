"""LoRA+'s groups and LoRA-FA's corrected gradient, against the papers and peft."""

from __future__ import annotations

import copy

import peft
import pytest
import torch

from core.config.run import RunConfig
from core.optim.groups import groups
from core.optim.rates.lora_fa import Correction
from tests.laws.test_rank_schedules import attached, loss_of
from tests.laws.world import Point, adapt, base

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.mark.parametrize("method", ["lora", "lora+", "vera", "lora-fa", "dora", "adalora", "dvora"])
def test_the_groups_hold_every_trained_tensor_once(method: str) -> None:
    ours, config = attached(4, method=method)
    held = [id(parameter) for group in groups(ours, config.train) for parameter in group["params"]]

    assert sorted(held) == sorted(id(parameter) for parameter in ours.parameters())


def test_b_learns_sixteen_times_faster_than_a_and_nothing_else_does() -> None:
    ours, config = attached(4, method="lora+", magnitude="row")
    rates = {group["role"]: group["lr"] for group in groups(ours, config.train)}

    assert rates["b"] == 16 * rates["a"]
    assert rates["magnitude"] == rates["a"] == config.train.learning_rate


def test_ratio_one_is_lora_bit_for_bit() -> None:
    ended = []
    for adapter in ({"method": "lora"}, {"method": "lora+", "rates": {"kind": "lora+", "ratio_b": 1.0}}):
        ours, config = attached(4, **adapter)
        optimizer = config.train.optimizer.build(groups(ours, config.train))
        for _ in range(5):
            optimizer.zero_grad()
            loss_of(ours.model).backward()
            optimizer.step()
        ended.append({name: parameter for name, parameter, _ in ours.named_parameters()})

    assert all(torch.equal(ended[0][name], ended[1][name]) for name in ended[0])


def test_vectors_and_magnitudes_are_never_decayed() -> None:
    ours, _ = attached(4, method="dora")
    train = RunConfig.from_dict({"train": {"optimizer": {"kind": "adamw", "weight_decay": 0.1}}}).train
    decay = {group["role"]: group["weight_decay"] for group in groups(ours, train)}

    assert decay == {"a": 0.1, "b": 0.1, "magnitude": 0.0}


def test_the_corrected_step_is_the_full_gradient_on_the_rows_of_a() -> None:
    """Plain descent with the corrected gradient moves the weight by exactly -rate * G P_A (variants.md 6, law 3)."""
    ours = adapt("llama", Point("lora-fa", "none", "alpha/r"))
    name, layer = next(iter(ours.layers.items()))
    with torch.no_grad():
        layer.own["a"][0] = layer.own["a"][1] + 0.01 * layer.own["a"][0]
    dense = base("llama").get_parameter(f"{name}.base.weight")
    dense.requires_grad_(True)
    layer.fusible = lambda x: False  # type: ignore[method-assign]
    loss_of(ours.model).backward()
    full, a = dense.grad, layer.own["a"]
    dense.requires_grad_(False)
    dense.grad = None
    correction = Correction(ours)
    correction.begin()
    correction.after_backward()
    moved = layer.scale * layer.own["b"].grad @ a
    projection = torch.linalg.pinv(a) @ a
    ours.detach()

    assert full is not None
    assert torch.allclose(moved, full @ projection, atol=1e-10)
    assert correction.cosine < 0.999


def test_ten_steps_of_lora_fa_end_where_pefts_optimizer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peft.optimizers.lorafa.is_bf16_available", lambda *_: False)  # ours works in float32
    ours, config = attached(4, method="lora-fa")
    model = copy.deepcopy(ours.model)
    for name in ours.layers:
        model.set_submodule(name, model.get_submodule(f"{name}.base"))
    theirs = peft.get_peft_model(model, peft.LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"]))
    with torch.no_grad():
        for name, layer in ours.layers.items():
            module = theirs.get_submodule(f"base_model.model.{name}")
            module.lora_A["default"].weight.copy_(layer.own["a"])
            module.lora_B["default"].weight.zero_()
    other = peft.optimizers.create_lorafa_optimizer(theirs, r=4, lora_alpha=6, lr=1e-2)
    # The two AdamWs put epsilon at different places; without it they are one.
    other.param_groups[0]["eps"] = 1e-30
    train = config.train.model_copy(update={"optimizer": config.train.optimizer.model_copy(update={"epsilon": 1e-30})})
    mine = train.optimizer.build(groups(ours, train))
    correction = Correction(ours)
    correction.begin()
    for _ in range(10):
        mine.zero_grad()
        loss_of(ours.model).backward()
        correction.after_backward()
        mine.step()
        other.zero_grad()
        loss_of(theirs).backward()
        other.step()

    for name, layer in ours.layers.items():
        module = theirs.get_submodule(f"base_model.model.{name}")
        assert torch.allclose(layer.own["b"], module.lora_B["default"].weight, rtol=1e-2, atol=1e-4), name
