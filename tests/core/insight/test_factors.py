"""What is worked out from factors equals what dense matrices give, and obeys variants.md 14 and 15."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from core.insight.agreement import spearman, spearman_table
from core.insight.amplification import amplification, random_norm
from core.insight.decomposition import movement, trend
from core.insight.spectra import effective_rank, norm, spectrum, stable_rank
from core.insight.subspaces import directions, random_similarity, read_directions, similarity, written_directions
from tests.core.insight.dense import dense_movement

OUT, IN, RANK = 24, 17, 5
CLOSE = 1e-9


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def b() -> Tensor:
    return normal(OUT, RANK, seed=1) * 0.3


@pytest.fixture
def a() -> Tensor:
    return normal(RANK, IN, seed=2)


@pytest.fixture
def weight() -> Tensor:
    return normal(OUT, IN, seed=3)


def test_singular_values_are_those_of_the_product(b: Tensor, a: Tensor) -> None:
    dense = torch.linalg.svdvals(b @ a)
    found = spectrum(b, a)

    assert torch.allclose(found.values, dense[:RANK], rtol=CLOSE)
    assert torch.allclose(found.left * found.values @ found.right.T, b @ a, atol=CLOSE)
    assert norm(b, a) == pytest.approx(float((b @ a).norm()), rel=CLOSE)


def test_a_rank_above_the_layers_own_size_is_no_trouble() -> None:
    b, a = normal(4, 9, seed=1), normal(9, 6, seed=2)

    assert torch.allclose(spectrum(b, a).values, torch.linalg.svdvals(b @ a), rtol=CLOSE)


def test_ranks_count_equal_values_and_ignore_none() -> None:
    values = torch.tensor([3.0, 3.0, 3.0, 0.0])

    for rank in (stable_rank, effective_rank):
        assert rank(values) == pytest.approx(3.0)
        assert rank(torch.zeros(4)) == 0.0
    assert stable_rank(torch.tensor([2.0, 1.0])) == pytest.approx(1.25)
    assert 1 < effective_rank(torch.tensor([2.0, 1.0])) < 2


def test_phi_of_all_pairs_equals_the_definition(a: Tensor) -> None:
    one, other = directions(a), directions(normal(RANK + 3, IN, seed=4))
    table = similarity(one, other)

    for i in range(1, RANK + 1):
        for j in range(1, RANK + 4):
            expected = (one[:, :i].T @ other[:, :j]).square().sum() / min(i, j)
            assert float(table[i - 1, j - 1]) == pytest.approx(float(expected), abs=CLOSE)
    assert torch.allclose(similarity(other, one), table.T, atol=CLOSE)


def test_phi_of_a_matrix_with_itself_and_with_its_mixture_is_one(a: Tensor) -> None:
    mixed = normal(RANK, RANK, seed=5) @ a

    assert torch.allclose(similarity(directions(a), directions(a)).diagonal(), torch.ones(RANK).double())
    assert float(similarity(directions(a), directions(mixed))[-1, -1]) == pytest.approx(1.0)


def test_the_directions_of_a_change_are_those_of_the_dense_one(b: Tensor, a: Tensor) -> None:
    left, _, right = torch.linalg.svd(b @ a)

    assert torch.allclose(similarity(read_directions(b, a), right[:RANK].T).diagonal(), torch.ones(RANK).double())
    assert torch.allclose(similarity(written_directions(b, a), left[:, :RANK]).diagonal(), torch.ones(RANK).double())


def test_directions_that_nothing_stretches_are_not_compared(weight: Tensor, b: Tensor, a: Tensor) -> None:
    kept = torch.zeros_like(b)
    kept[:, :2] = b[:, :2]  # what AdaLoRA leaves: the other directions of A stand there, and nothing comes of them
    nothing = torch.zeros_like(b)

    assert similarity(read_directions(kept, a), read_directions(b[:, :2], a[:2])).shape == (2, 2)
    assert amplification(weight, kept, a).factor == pytest.approx(amplification(weight, b[:, :2], a[:2]).factor)
    assert amplification(weight, kept, a, rank=3).rank == 2
    assert not similarity(written_directions(nothing, a), written_directions(nothing, a)).numel()
    assert not directions(torch.zeros_like(a)).numel()


def test_random_subspaces_meet_the_baseline_on_average() -> None:
    width, draws = 40, 200
    tables = [
        similarity(directions(normal(3, width, seed=2 * s)), directions(normal(6, width, seed=2 * s + 1)))
        for s in range(draws)
    ]

    assert torch.allclose(torch.stack(tables).mean(0), random_similarity(3, 6, width), atol=0.02)


def test_random_directions_of_gpt3s_query_matrix_give_the_published_norms() -> None:
    assert random_norm(61.95, 4, 12288, 12288) == pytest.approx(0.020, abs=5e-4)
    assert random_norm(61.95, 64, 12288, 12288) == pytest.approx(0.323, abs=5e-4)


def test_amplification_equals_the_dense_computation(weight: Tensor, b: Tensor, a: Tensor) -> None:
    left, values, right = torch.linalg.svd(b @ a)
    found = amplification(weight, b, a, rank=3)

    assert found.own == pytest.approx(float((left[:, :3].T @ weight @ right[:3].T).norm()), rel=CLOSE)
    assert found.strongest == pytest.approx(float(torch.linalg.svdvals(weight)[:3].norm()), rel=CLOSE)
    assert found.factor == pytest.approx(float(values[:3].norm()) / found.own, rel=CLOSE)
    assert found.own <= found.strongest


def test_random_directions_meet_their_average(weight: Tensor) -> None:
    squares = []
    for seed in range(300):
        u, v = (torch.linalg.qr(normal(n, 3, seed=2 * seed + k))[0] for k, n in enumerate((OUT, IN)))
        squares.append(float((u.T @ weight @ v).square().sum()))

    assert math.sqrt(np.mean(squares)) == pytest.approx(random_norm(float(weight.norm()), 3, OUT, IN), rel=0.05)


def test_a_multiple_of_the_strongest_part_is_amplified_by_just_that(weight: Tensor) -> None:
    left, values, right = torch.linalg.svd(weight, full_matrices=False)

    assert amplification(weight, 2.5 * left[:, :4] * values[:4], right[:4]).factor == pytest.approx(2.5)


def test_a_change_of_nothing_amplifies_nothing(weight: Tensor, a: Tensor) -> None:
    found = amplification(weight, torch.zeros(OUT, RANK), a)

    assert found.delta == 0
    assert math.isnan(found.factor) or found.factor == 0


def test_the_movement_from_factors_is_that_of_the_dense_weights(weight: Tensor, b: Tensor, a: Tensor) -> None:
    ours, dense = movement(weight, b, a), dense_movement(weight, weight + b @ a)

    assert ours.magnitude == pytest.approx(dense.magnitude, abs=CLOSE)
    assert ours.direction == pytest.approx(dense.direction, abs=CLOSE)


def test_doras_lengths_are_the_magnitudes(weight: Tensor, b: Tensor, a: Tensor) -> None:
    lengths = weight.norm(dim=1) * 1.5
    merged = (weight + b @ a) * (lengths / (weight + b @ a).norm(dim=1))[:, None]
    ours, dense = movement(weight, b, a, lengths=lengths), dense_movement(weight, merged)

    assert ours.magnitude == pytest.approx(dense.magnitude, abs=CLOSE)
    assert ours.direction == pytest.approx(dense.direction, abs=CLOSE)


def test_an_unchanged_weight_has_not_moved(weight: Tensor, a: Tensor) -> None:
    still = movement(weight, torch.zeros(OUT, RANK), a)

    assert (still.magnitude, still.direction) == (0.0, pytest.approx(0.0, abs=1e-15))


def test_a_longer_weight_has_moved_in_length_alone(weight: Tensor) -> None:
    longer = movement(weight, 0.7 * weight, torch.eye(IN))

    assert longer.direction == pytest.approx(0.0, abs=1e-14)
    assert longer.magnitude == pytest.approx(0.7 * float(weight.norm(dim=1).mean()))


def test_turned_rows_have_moved_in_direction_alone(weight: Tensor) -> None:
    turn = torch.linalg.qr(normal(IN, IN, seed=8))[0]
    turned = movement(weight, weight @ turn - weight, torch.eye(IN))

    assert turned.magnitude == pytest.approx(0.0, abs=1e-12)
    assert 0 < turned.direction <= 2


def test_rows_of_zeros_are_left_out_and_counted(weight: Tensor, b: Tensor, a: Tensor) -> None:
    holed = weight.clone()
    holed[:2] = 0

    found = movement(holed, b, a)
    assert found.skipped == 2
    assert found.direction == pytest.approx(dense_movement(holed[2:], holed[2:] + (b @ a)[2:]).direction, abs=CLOSE)


def test_a_trend_finds_the_line_and_is_sure_of_it() -> None:
    xs = np.linspace(0, 1, 30)
    ys = 3 - 2 * xs + 0.05 * np.sin(40 * xs)
    found = trend(xs, ys)
    slope, intercept = np.polyfit(xs, ys, 1)

    assert (found.slope, found.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    assert found.correlation == pytest.approx(np.corrcoef(xs, ys)[0, 1])
    assert found.slope_interval[0] < found.slope < found.slope_interval[1] < 0
    assert trend(xs, ys) == found


def test_a_trend_through_one_point_or_a_column_of_them_is_none() -> None:
    assert math.isnan(trend(np.array([1.0]), np.array([2.0])).slope)
    assert math.isnan(trend(np.ones(4), np.arange(4.0)).slope)


def test_two_points_have_a_slope_and_no_certainty() -> None:
    found = trend(np.array([1.0, 2.0]), np.array([5.0, 3.0]))

    assert (found.slope, found.intercept) == (-2, 7)
    assert all(map(math.isnan, (*found.slope_interval, found.correlation, *found.correlation_interval)))


def test_rank_correlation_sees_order_alone_and_shares_ties() -> None:
    assert spearman([1, 2, 3, 4], [10, 100, 1000, 10000]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9486832980505138)
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert spearman([1, 2, 3, math.nan], [3, 2, 1, 0]) == pytest.approx(-1.0)
    assert math.isnan(spearman([math.nan], [1]))
    np.testing.assert_allclose(spearman_table([[1, 2, 3], [3, 2, 1]]), [[1, -1], [-1, 1]])
