"""Row lengths at the edges: of rows that vanish, that cancel, and where a forward pass computes in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import FalconConfig, FalconForCausalLM

from core.adapters.adapted import Adapted
from core.adapters.attach import attach
from core.adapters.magnitude.row import Row
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig, RunConfig
from core.layers import LayerInfo, LayerPlan
from core.models.hold import hold
from core.models.walk import walk
from core.train.prepare import checkpoint_gradients


def learned(*, dropout: float = 0.0) -> tuple[Adapted, Row, torch.Tensor]:
    """A layer in bfloat16 whose DoRA has learned a little, its magnitude, and W0 + dW, (out, in) float32."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"layer": nn.Linear(256, 128, bias=False)}).bfloat16()
    config = AdapterConfig(method="dora", rank=8, alpha=16.0, dropout=dropout)
    plans = [LayerPlan(LayerInfo("layer", "q", 0, 128, 256), 8, 16.0)]
    layer = attach(model, plans, config, seed=0, storage=STORAGES.default()).layers["layer"]
    nn.init.normal_(layer.own["b"], std=2e-3)
    assert isinstance(layer.magnitude, Row)
    return layer, layer.magnitude, layer.base_weight().float() + layer.delta_weight()


def test_lengths_are_measured_in_full_precision_under_autocast() -> None:
    layer, rows, weight = learned()
    with torch.autocast("cpu", torch.bfloat16):
        found = rows.norm(layer)

    torch.testing.assert_close(found, weight.norm(dim=1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dropout", [0.0, 1e-9])
def test_a_gain_between_two_numbers_of_bfloat16_is_not_rounded_to_one_of_them(dropout: float) -> None:
    layer, _, weight = learned(dropout=dropout)
    layer.own["m"].data.copy_(weight.norm(dim=1) * 1.0055)  # 1 and 1.0078 are its neighbours
    x = torch.randn(64, 256).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y = layer.train()(x)

    expected = x.float() @ weight.T
    assert y.dtype == torch.bfloat16
    assert float((y * expected).sum() / expected.square().sum()) == pytest.approx(1.0055, abs=1e-3)


def test_a_row_of_zeros_is_one_of_plain_lora() -> None:
    layer, rows, _ = learned()
    layer.float()
    with torch.no_grad():
        layer.base.get_parameter("weight")[3] = 0
    layer.constants.clear()
    rows.begin(layer)
    x = torch.randn(5, 256)

    torch.testing.assert_close(layer(x)[:, 3], x @ layer.delta_weight()[3])
    torch.testing.assert_close(layer.merged_weight()[3], layer.delta_weight()[3])


def test_a_row_that_the_change_nearly_cancels_is_measured_exactly() -> None:
    layer, rows, _ = learned()
    weight = layer.base_weight().float()
    with torch.no_grad():
        layer.own["a"].copy_(weight[:8])
        layer.own["b"].zero_()[:8].fill_diagonal_(-(1 - 1e-4) / layer.scale)

    torch.testing.assert_close(rows.norm(layer)[:8], 1e-4 * weight[:8].norm(dim=1), rtol=1e-2, atol=0)


@pytest.mark.parametrize("method", ["dora", "qdora"])
def test_what_a_step_computes_does_not_depend_on_who_measured_before_it(method: str) -> None:
    """A run that goes on has not measured what the one before it had, and is to repeat it to the bit."""
    found = []
    for measured in (False, True):
        layer, rows = fresh(method)
        if measured:
            rows.norm(layer).mul_(1.5)  # for all to see, if the step took it from there
            layer.eval()(torch.ones(3, 256))
        y = layer.train()(torch.linspace(-1, 1, 33 * 256).view(33, 256))
        y.square().sum().backward()
        found.append([y, *(value.grad for value in layer.own.values() if value.grad is not None)])

    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("method", ["dora", "qdora", "dvora"])
def test_lengths_found_on_the_way_are_those_of_the_whole_weight(method: str) -> None:
    layer, _ = fresh(method)
    weight = layer.base_weight() + layer.delta_weight()
    x = torch.randn(33, 256)

    # The second batch of a step takes the lengths that the first has found.
    for _ in range(2):
        torch.testing.assert_close(
            layer.train()(x), (x @ weight.T) * layer.own["m"] / weight.norm(dim=1), rtol=1e-4, atol=1e-5
        )


def fresh(method: str) -> tuple[Adapted, Row]:
    """A float32 layer of a kind of DoRA that has learned a little, and its magnitude."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"layer": nn.Linear(256, 128, bias=False)})
    config = AdapterConfig(method=method, rank=8, alpha=16.0)
    plan = LayerPlan(LayerInfo("layer", "q", 0, 128, 256), 8, 16.0)
    storage = RunConfig.from_dict({"adapter": {"method": method}}).storage
    hold(model.requires_grad_(False), [plan.layer], storage)
    layer = attach(model, [plan], config, seed=0, storage=storage).layers["layer"]
    for name, value in layer.own.items():
        if name != "m":
            nn.init.normal_(value, std=2e-2)
    nn.init.uniform_(layer.own["m"], 0.5, 1.0)
    assert isinstance(layer.magnitude, Row)
    return layer, layer.magnitude


def test_lengths_keep_their_digits_beside_a_start_that_is_taken_out_again() -> None:
    """A row far shorter than what the start put into it and took out: on the way the two would leave rounding alone."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"layer": nn.Linear(256, 128, bias=False)})
    plan = LayerPlan(LayerInfo("layer", "q", 0, 128, 256), 8, 16.0)
    config = AdapterConfig(magnitude="row", init="pissa", rank=8, alpha=16.0)
    with torch.no_grad():
        model["layer"].weight[:9] *= 1e-3
        layer = attach(model, [plan], config, seed=0, storage=STORAGES.default()).layers["layer"]
        for name in ("b", "start_b"):
            layer.own[name][:9] += 1.0
        layer.own["a"] *= 1.0001
        y = layer.train()(torch.eye(256))

    lengths = y.norm(dim=0)[:9]
    torch.testing.assert_close(lengths, layer.own["m"].detach()[:9], rtol=1e-3, atol=0)


@pytest.mark.parametrize("method", ["dora", "dvora"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_model_that_adds_to_a_layers_output_in_place_has_right_gradients_in_every_step(
    method: str, checkpointing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    options = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "bias": False}
    model = FalconForCausalLM(FalconConfig(vocab_size=99, hidden_dropout=0.0, attention_dropout=0.0, **options)).train()
    if checkpointing:
        checkpoint_gradients(model)
        model.config.use_cache = False
    plans = [LayerPlan(layer, 4, 8.0) for layer in walk(model) if "dense" in layer.name]
    config = AdapterConfig(method=method, layers=("dense",))
    adapters = attach(model, plans, config, seed=0, storage=STORAGES.default())
    with torch.no_grad():
        for parameter in adapters.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    ids = torch.randint(0, 99, (2, 16))

    def gradients() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(model(input_ids=ids, labels=ids).loss, adapters.parameters())

    found = [gradients() for _ in range(3)]
    assert {layer.given.untouched for layer in adapters.layers.values()} == {True, False}
    monkeypatch.setattr(Adapted, "fusible", lambda *_: False)
    for step in found:
        torch.testing.assert_close(step, gradients(), rtol=1e-3, atol=1e-7)
