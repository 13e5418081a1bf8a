"""The one-step form of base and branch equals the composed one, in value and in every gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear

from core.adapters.delta.loha import thin
from core.adapters.fused import Frozen, Given, Rows, dense_linear, frozen_linear, low_rank_linear


def composed(x, frozen, a, b, scale):
    return linear(x, frozen.weight, frozen.bias) + scale * linear(linear(x, a), b)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("frozen_a", [True, False])
def test_value_and_gradients_are_those_of_the_composed_form(with_bias: bool, frozen_a: bool) -> None:
    torch.manual_seed(0)
    weight = torch.randn(7, 5, dtype=torch.float64)
    bias = torch.randn(7, dtype=torch.float64) if with_bias else None
    found = []
    for form in (low_rank_linear, composed):
        torch.manual_seed(1)
        x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
        a = torch.randn(4, 5, dtype=torch.float64, requires_grad=not frozen_a)
        b = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
        y = form(x, Frozen(weight, bias), a, b, 0.5)
        y.square().sum().backward()
        found.append((y, x.grad, a.grad, b.grad))

    for ours, theirs in zip(*found, strict=True):
        assert (ours is None and theirs is None) or torch.allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("untouched", [False, True])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("known", ["always", "now", "no"])
@pytest.mark.parametrize("tokens", [3, 40])
@pytest.mark.parametrize("with_bias", [True, False])
def test_stretched_rows_give_the_value_and_gradients_of_the_composed_form(
    with_bias: bool, tokens: int, known: str, held: bool, untouched: bool
) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(7, 5).double(), torch.randn(7).double() if with_bias else None
    carried = torch.randn(7, 2).double(), torch.randn(2, 5).double()
    a, b, m = (torch.randn(size).double().requires_grad_() for size in ((4, 5), (7, 4), (7,)))
    x = torch.randn(1, tokens, 5).double().requires_grad_()
    whole = (weight + 0.5 * (b @ a + carried[0] @ carried[1])).detach()
    lengths = whole.norm(dim=1)

    def again(gain: torch.Tensor | None) -> torch.Tensor:
        return weight.clone() if gain is None else weight * gain[:, None]

    def measure(through: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        assert known == "no"
        return (weight.square().sum(1) + 0.5 * (through.T * factor).sum(1)).sqrt()

    given = Given()
    given.untouched = untouched
    rows = Rows(m, given, None if known == "no" else lengths, None if known == "always" else measure)
    frozen = Frozen(None, bias, again, carried) if held else Frozen(weight, bias, carried=carried)
    found = []
    for y in (
        low_rank_linear(x, frozen, a, b, 0.5, rows=rows),
        linear(x, weight + 0.5 * (b @ a + carried[0] @ carried[1])) * (m / lengths) + (0 if bias is None else bias),
    ):
        found.append([y, *torch.autograd.grad(y.square().sum(), (x, a, b, m))])

    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def stretched(m: torch.Tensor, given: Given, x: torch.Tensor) -> torch.Tensor:
    """Rows of a fixed weight, of lengths 1 to 7 before, that are given the lengths m."""
    frozen, lengths = Frozen(torch.linspace(-1, 1, 35).view(7, 5)), torch.arange(1.0, 8.0)
    return low_rank_linear(x, frozen, torch.ones(4, 5), torch.ones(7, 4), 0.5, rows=Rows(m, given, lengths))


@pytest.mark.parametrize("changed", [False, True])
def test_an_output_is_shared_with_the_backward_pass_once_it_is_seen_to_be_left_alone(changed: bool) -> None:
    m, given, gradients, shared = torch.ones(7, requires_grad=True), Given(), [], []
    x = torch.linspace(0, 2, 20).view(1, 4, 5).requires_grad_()
    for _ in range(3):
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, kept=kept: (kept.append(tensor.data_ptr()), tensor)[1], lambda tensor: tensor
        ):
            y = stretched(m, given, x)
        shared.append(y.data_ptr() in kept)
        if changed:
            y += 1.0
        gradients.append(torch.autograd.grad(y.sum(), (x, m)))

    assert given.untouched != changed
    assert shared == [False, not changed, not changed]
    assert all(torch.equal(one, other) for found in gradients for one, other in zip(found, gradients[0], strict=True))


def test_a_pass_without_gradients_tells_as_well() -> None:
    m, given, x = torch.ones(7, requires_grad=True), Given(), torch.ones(1, 4, 5)
    with torch.no_grad():
        stretched(m, given, x)
        assert not given.untouched
        y = stretched(m, given, x)
        assert given.untouched
        y += 1.0
        stretched(m, given, x)
        assert not given.untouched


def test_an_output_that_is_changed_after_all_is_no_wrong_gradient() -> None:
    m, given, x = torch.ones(7, requires_grad=True), Given(), torch.ones(1, 4, 5, requires_grad=True)
    stretched(m, given, x).sum().backward()
    y = stretched(m, given, x)
    y += 1.0
    with pytest.raises(RuntimeError, match="in place"):
        y.sum().backward()

    again = stretched(m, given, x)
    again += 1.0
    again.sum().backward()


def test_a_length_of_zero_has_the_gradient_of_its_neighbours() -> None:
    x, found = torch.linspace(0, 2, 20).view(1, 4, 5).requires_grad_(), []
    for first in (0.0, 1e-6):
        m = torch.full((7,), first, requires_grad=True)
        found.append(torch.autograd.grad(stretched(m, Given(), x).sum(), m)[0])

    assert found[0].abs().min() > 0
    assert torch.allclose(*found, rtol=1e-5)


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_dense_change_gives_the_output_and_gradients_of_one_trained_weight(with_bias: bool) -> None:
    torch.manual_seed(0)
    weight, change = torch.randn(7, 5, dtype=torch.float64), torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(7, dtype=torch.float64) if with_bias else None
    x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    y = dense_linear(x, Frozen(weight, bias), change, 0.5)
    gradient = torch.randn_like(y)
    y.backward(gradient)

    assert torch.allclose(y, linear(x, weight + 0.5 * change, bias), atol=1e-12)
    assert torch.allclose(x.grad, gradient @ (weight + 0.5 * change), atol=1e-12)
    assert torch.allclose(change.grad, 0.5 * gradient.flatten(0, 1).T @ x.flatten(0, 1), atol=1e-12)


def test_second_derivatives_of_a_first_order_form_are_refused() -> None:
    x = torch.randn(2, 5, requires_grad=True)
    y = low_rank_linear(x, Frozen(torch.randn(7, 5)), torch.randn(4, 5), torch.randn(7, 4), 1.0)
    (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)

    with pytest.raises(RuntimeError):
        gradient.sum().backward()


@pytest.mark.parametrize("frozen_a", [True, False])
def test_what_is_kept_for_the_backward_pass_is_x_only_where_a_is_trained(frozen_a: bool) -> None:
    x = torch.randn(64, 32)
    a, b = torch.randn(4, 32, requires_grad=not frozen_a), torch.randn(16, 4, requires_grad=True)
    weight = torch.randn(16, 32)
    parameters = {tensor.data_ptr() for tensor in (a, b, weight)}
    kept: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in parameters:
            kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        low_rank_linear(x, Frozen(weight), a, b, 1.0)

    assert sorted(kept) == ([64 * 4] if frozen_a else [64 * 4, 64 * 32])


@pytest.mark.parametrize("frozen_a", [True, False])
def test_what_the_base_carries_is_added_and_no_gradient_goes_to_it(frozen_a: bool) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(7, 5, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    carried = torch.randn(7, 3, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    found = []
    for form in (low_rank_linear, composed):
        torch.manual_seed(1)
        x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
        a = torch.randn(4, 5, dtype=torch.float64, requires_grad=not frozen_a)
        b = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
        whole = weight + 0.5 * carried[0] @ carried[1]
        y = form(
            x, Frozen(weight, bias, carried=carried) if form is low_rank_linear else Frozen(whole, bias), a, b, 0.5
        )
        y.square().sum().backward()
        found.append((y, x.grad, a.grad, b.grad))

    for ours, theirs in zip(*found, strict=True):
        assert (ours is None and theirs is None) or torch.allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("form", ["low rank", "dense", "frozen"])
def test_a_weight_that_can_be_had_again_is_not_kept_and_gives_the_same_gradients(form: str) -> None:
    torch.manual_seed(0)
    weight = torch.randn(16, 32)
    a, b, change = torch.randn(4, 32), torch.randn(16, 4), torch.randn(16, 32)
    trained = {"low rank": (a, b), "dense": (change,), "frozen": ()}[form]
    found, kept = [], []
    for held in (False, True):
        frozen = Frozen(None, again=lambda gain: weight.clone()) if held else Frozen(weight)
        leaves = [tensor.clone().requires_grad_() for tensor in trained]
        x = torch.linspace(-1, 1, 64 * 32).view(64, 32).requires_grad_()
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, sizes=sizes: (sizes.append(tensor.data_ptr()), tensor)[1], lambda tensor: tensor
        ):
            if form == "low rank":
                y = low_rank_linear(x, frozen, *leaves, 0.5)
            else:
                y = dense_linear(x, frozen, *leaves, 0.5) if leaves else frozen_linear(x, frozen)
        y.square().sum().backward()
        found.append([y, x.grad, *(leaf.grad for leaf in leaves)])
        kept.append(weight.data_ptr() in sizes)

    assert kept == [True, False]
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_lohas_thin_form_is_the_elementwise_product() -> None:
    torch.manual_seed(0)
    shapes = {"b1": (7, 3), "a1": (3, 5), "b2": (7, 3), "a2": (3, 5)}
    p = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
    b, a = thin(p)

    assert b.shape == (7, 9) and a.shape == (9, 5)
    assert torch.allclose(b @ a, (p["b1"] @ p["a1"]) * (p["b2"] @ p["a2"]), atol=1e-12)
