"""What is measured of singular values while a run trains is what is found afterwards."""

from __future__ import annotations

import pytest
import torch

from core.insight.live import _effective, costly, of_dense, singular_values, spectra
from core.insight.sketched import sketched
from core.insight.spectra import effective_rank, spectrum
from tests.laws.world import Point, adapt, points


@pytest.mark.parametrize("shape", [(12, 4, 9), (3, 5, 8)])
def test_singular_values_from_small_matrices_are_those_of_the_product(shape: tuple[int, int, int]) -> None:
    out, rank, into = shape
    generator = torch.Generator().manual_seed(0)
    b, a = torch.randn(6, out, rank, generator=generator), torch.randn(6, rank, into, generator=generator)
    found = singular_values(b, a)
    for place in range(6):
        exact = spectrum(b[place], a[place]).values
        assert torch.allclose(found[place].flip(0)[: len(exact)], exact, rtol=1e-5, atol=1e-3)
        assert float(_effective(found)[place]) == pytest.approx(effective_rank(exact), rel=2e-3)


def test_a_training_that_has_diverged_is_still_measured() -> None:
    b, a = torch.ones(2, 4, 2), torch.ones(2, 2, 3)
    b[0, 0, 0] = torch.nan
    found = singular_values(b, a)
    assert found[0].isnan().all() and float(found[1, -1]) == pytest.approx(48**0.5)
    assert _effective(found)[0].isnan() and float(_effective(found)[1]) == pytest.approx(1.0, rel=1e-3)


def test_a_change_of_nothing_uses_no_direction() -> None:
    found = singular_values(torch.zeros(1, 4, 2), torch.ones(1, 2, 3))
    assert float(_effective(found)[0]) == 0.0


@pytest.mark.parametrize("point", {point.delta: point for point in reversed(points())}.values(), ids=str)
def test_every_delta_says_how_many_directions_it_uses(point: Point) -> None:
    adapters = adapt("gpt2", point, fresh=False)
    layers = list(adapters.layers.values())
    found, largest = spectra(layers)
    adapters.detach()
    assert not costly(layers)
    for place, layer in enumerate(layers):
        exact = torch.linalg.svdvals(layer.delta_weight())
        assert found[place] == pytest.approx(effective_rank(exact), rel=1e-3)
        assert largest[place] == pytest.approx(float(exact[0]), rel=1e-4)


@pytest.mark.parametrize("spectrum", ["flat", "power", "steep", "few"])
def test_the_rank_of_a_large_matrix_is_estimated_within_a_twentieth(spectrum: str) -> None:
    side = 400
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(1.0, side + 1)
    left, right = (torch.linalg.qr(torch.randn(rows, side, generator=generator))[0] for rows in (600, side))
    values = {"flat": place**0, "power": 1 / place, "steep": torch.exp(-place / 40), "few": (place <= 8).float()}
    matrix = (left * values[spectrum]) @ right.T
    exact = effective_rank(torch.linalg.svdvals(matrix))
    assert of_dense(matrix.T)[0] == pytest.approx(exact, rel=1e-3)
    found, largest = sketched(matrix)
    assert (found, largest) == (
        pytest.approx(exact, rel=1 / 20),
        pytest.approx(1.0 if spectrum != "steep" else 0.9753, rel=0.05),
    )
