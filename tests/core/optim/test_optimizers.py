"""What every optimizer of the registry owes to the rest."""

from __future__ import annotations

import pytest
import torch

from core import kernels
from core.optim.optimizers import OPTIMIZERS, Optimizer
from core.optim.optimizers.small_state import SmallState

KINDS = [member.kind for member in OPTIMIZERS.members]
NUMBERS = 64 * 256


def member(kind: str) -> Optimizer:
    found = OPTIMIZERS[kind]()
    if isinstance(found, SmallState) and kernels.bitsandbytes() is None:
        pytest.skip("bitsandbytes cannot be loaded here")
    return found


def descend(kind: str, parameter: torch.nn.Parameter, *, steps: int, rate: float) -> torch.optim.Optimizer:
    """Steps towards zero on half the sum of squares."""
    optimizer = member(kind).build([{"params": [parameter], "lr": rate, "weight_decay": 0.0}])
    for _ in range(steps):
        parameter.grad = parameter.detach().clone()
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("kind", KINDS)
def test_it_descends(kind: str) -> None:
    parameter = torch.nn.Parameter(torch.ones(64, 256))
    descend(kind, parameter, steps=20, rate=0.02)

    assert 0 < float(parameter.detach().abs().max()) < 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_torch_counts_its_changes_so_that_nothing_derived_from_a_parameter_goes_stale(kind: str) -> None:
    parameter = torch.nn.Parameter(torch.ones(64, 256))
    before = parameter._version
    descend(kind, parameter, steps=1, rate=0.02)

    assert parameter._version > before


@pytest.mark.parametrize("kind", KINDS)
def test_its_state_is_as_large_as_the_forecast_says(kind: str) -> None:
    parameter = torch.nn.Parameter(torch.ones(64, 256))
    state = descend(kind, parameter, steps=1, rate=0.02).state[parameter]
    kept = [value for key, value in state.items() if isinstance(value, torch.Tensor) and "map" not in key]

    expected = member(kind).bytes_per_parameter() * NUMBERS
    assert sum(value.nbytes for value in kept) == pytest.approx(expected, abs=8)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_bitsandbytes_brings_is_objected_to(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = OPTIMIZERS[kind]()
    small = isinstance(found, SmallState)

    assert not list(found.objections("cuda"))
    assert [problem.blocking for problem in found.objections("mps")] == [True] * small
    assert all(not problem.blocking for problem in found.objections("cpu"))
    monkeypatch.setattr(kernels, "installed", lambda: False)
    assert [problem.path for problem in found.objections("cuda")] == ["train.optimizer"] * small


def test_8_bits_end_close_to_32() -> None:
    ends = []
    for kind in ("adamw", "adamw-8bit"):
        parameter = torch.nn.Parameter(torch.linspace(-1, 1, NUMBERS).view(64, 256))
        descend(kind, parameter, steps=10, rate=0.02)
        ends.append(parameter.detach())

    assert not torch.equal(*ends)
    assert (ends[0] - ends[1]).abs().max() < 0.05
