"""A frozen weight and a Kronecker product in one step: against the sum of the two, and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from core.adapters.fused import Frozen
from core.adapters.kronecker import kronecker_linear


@pytest.mark.parametrize("lying", [False, True], ids=["standing", "lying"])
@pytest.mark.parametrize("held", [False, True], ids=["kept", "worked-out-again"])
@pytest.mark.parametrize("sides", [(24, 24, 4, 3), (48, 18, 6, 3), (10, 35, 1, 5)], ids=str)
def test_it_is_the_linear_layer_of_the_sum(sides: tuple[int, int, int, int], held: bool, lying: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs, inputs, rows, columns = sides

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    weight, bias, x = drawn(outputs, inputs), drawn(outputs), drawn(2, 5, inputs).requires_grad_()
    shapes = (rows, columns), (outputs // rows, 2), (2, inputs // columns)
    factors = c, b, a = tuple(drawn(*shape).requires_grad_() for shape in shapes)
    placed = weight.T.contiguous().T if lying else weight
    frozen = Frozen(None, bias, lambda gain: placed) if held else Frozen(placed, bias)
    y = kronecker_linear(x, frozen, *factors, 0.7)
    torch.testing.assert_close(y, functional.linear(x, weight + 0.7 * torch.kron(c, b @ a), bias))
    assert torch.autograd.gradcheck(lambda *given: kronecker_linear(given[0], frozen, *given[1:], 0.7), (x, *factors))
