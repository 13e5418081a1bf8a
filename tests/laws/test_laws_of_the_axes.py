"""The laws that every point of the registries obeys, on every shape of layer (variants.md 1.5, I1 to I6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.adapters import state
from core.adapters.attach import Adapters
from core.config.run import AdapterConfig
from tests.laws.world import FAMILIES, Point, adapt, base, judged, logits, points, widen

EVERY = [pytest.param(family, point, id=f"{family}-{point}") for family, point in judged()]
EACH = list({(point.delta, point.magnitude): point for point in points()}.values())
"""One of each delta and magnitude."""
UNSCALED = {(family, replace(point, scale="")): (family, point) for family, point in reversed(judged())}
"""One scale of each: how much an adapter counts changes nothing about whether it learns."""


@pytest.fixture
def detaching() -> Iterator[list[Adapters]]:
    """Adapters put in here are taken off again, so that the shared base serves the next test."""
    attached: list[Adapters] = []
    yield attached
    for adapters in attached:
        adapters.detach()


@pytest.mark.parametrize(("family", "point"), EVERY)
def test_a_fresh_adapter_is_the_base_model(family: str, point: Point, detaching: list[Adapters]) -> None:
    expected = logits(base(family, point.storage))
    adapters = adapt(family, point)
    detaching.append(adapters)

    assert torch.allclose(logits(adapters.model), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("family", "point"), EVERY)
def test_switching_off_gives_the_base_bit_for_bit(family: str, point: Point, detaching: list[Adapters]) -> None:
    expected = logits(base(family, point.storage))
    adapters = adapt(family, point, fresh=False)
    detaching.append(adapters)
    changed = logits(adapters.model)
    with adapters.disabled():
        off = logits(adapters.model)

    assert torch.equal(off, expected)
    assert not torch.allclose(changed, expected)


@pytest.mark.parametrize(("family", "point"), EVERY)
def test_merged_weights_give_the_adapted_output(family: str, point: Point, detaching: list[Adapters]) -> None:
    adapters = adapt(family, point, fresh=False)
    detaching.append(adapters)
    for layer in adapters.layers.values():
        x = torch.randn(5, layer.plan.layer.in_features, dtype=torch.float64)
        merged = x @ layer.merged_weight(layer.base_weight().double()).T
        if layer.bias is not None:
            merged = merged + layer.bias

        # dW is formed in float32 for merging, so the bound is float32's.
        assert torch.allclose(layer(x), merged, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("family", "point"), EVERY)
def test_gradients_reach_what_is_trained_and_nothing_else(family: str, point: Point, detaching: list[Adapters]) -> None:
    adapters = adapt(family, point, fresh=False)
    detaching.append(adapters)
    logits(adapters.model).square().mean().backward()
    trained = {id(parameter) for parameter in adapters.parameters()}

    for name, parameter, _ in adapters.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    for name, parameter in adapters.model.named_parameters():
        assert id(parameter) in trained or (parameter.grad is None and not parameter.requires_grad), name


@pytest.mark.parametrize("point", EACH, ids=str)
def test_the_form_that_drops_is_the_other_where_nothing_is_dropped(point: Point, detaching: list[Adapters]) -> None:
    adapters = adapt("gpt2", point, fresh=False, dropout=1e-14)
    detaching.append(adapters)
    for layer in adapters.layers.values():
        x = torch.randn(5, layer.plan.layer.in_features, dtype=torch.float64)
        whole = layer(x)
        layer.training = True

        assert torch.allclose(layer(x), whole, rtol=0, atol=1e-11)


@pytest.mark.parametrize("point", EACH, ids=str)
def test_a_model_may_change_the_output_in_place(point: Point, detaching: list[Adapters]) -> None:
    adapters = adapt("llama", point, fresh=False)
    detaching.append(adapters)
    layer = next(iter(adapters.layers.values()))
    x = torch.randn(2, 3, layer.plan.layer.in_features, dtype=torch.float64, requires_grad=True)
    layer(x).add_(1.0).sum().backward()

    assert x.grad is not None and all(
        parameter.grad is not None for parameter in layer.own.values() if parameter.requires_grad
    )


@pytest.mark.parametrize(("family", "point"), EVERY)
def test_the_declared_count_is_the_real_one(family: str, point: Point, detaching: list[Adapters]) -> None:
    adapters = adapt(family, point)
    detaching.append(adapters)
    config = point.config()
    declared = 0
    for plan in [layer.plan for layer in adapters.layers.values()]:
        members = (config.axis("delta"), config.axis("magnitude"))
        params = [param for member in members for param in member.params(plan).values()]  # type: ignore[attr-defined]
        declared += sum(param.numel for param in params if param.trainable and param.shared is None)

    assert adapters.count() == declared


@pytest.mark.parametrize(("family", "point"), EVERY)
def test_a_saved_adapter_comes_back_equal(family: str, point: Point, tmp_path: Path, detaching: list[Adapters]) -> None:
    adapters = adapt(family, point, fresh=False, seed=3)
    expected = logits(adapters.model)
    state.save(adapters, tmp_path)
    adapters.detach()
    again = state.reattach(base(family, point.storage), tmp_path)
    detaching.append(again)
    saved = state.read(tmp_path)
    widen(again)
    state.restore(again, saved)

    assert torch.equal(logits(again.model), expected)
    assert [layer.plan for layer in again.layers.values()] == [layer.plan for layer in adapters.layers.values()]


@pytest.mark.parametrize(("family", "point"), UNSCALED.values(), ids=str)
def test_ten_steps_lower_the_loss_and_leave_the_base_alone(
    family: str, point: Point, detaching: list[Adapters]
) -> None:
    model = base(family, point.storage)
    before = {name: tensor.clone() for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    wanted = logits(model).roll(1, dims=-1)
    adapters = adapt(family, point)
    detaching.append(adapters)
    optimizer = torch.optim.AdamW(adapters.parameters(), lr=1e-2)
    losses = []
    for _ in range(11):
        loss = torch.nn.functional.mse_loss(logits(adapters.model), wanted)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert losses[-1] < losses[0]
    adapters.detach()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("point", points(), ids=str)
def test_a_member_comes_back_from_the_run_file(point: Point) -> None:
    config = point.config()

    assert AdapterConfig.model_validate(config.model_dump(mode="json", exclude_none=True)) == config


@pytest.mark.parametrize("family", FAMILIES)
def test_detaching_puts_the_very_modules_back(family: str) -> None:
    before = dict(base(family).named_modules())
    adapters = adapt(family, points()[0])
    after = dict(adapters.detach().named_modules())

    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)
