"""The numbers of GLUE, against values worked out by hand and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from core.metrics.classes import accuracy, confusion, f1, matthews
from core.metrics.values import pearson

SAID = np.array([1, 1, 0, 1, 0, 0])
TRUE = np.array([1, 0, 0, 1, 1, 0])


def test_two_classes_by_hand() -> None:
    assert confusion(SAID, TRUE, 2).tolist() == [[2, 1], [1, 2]]
    assert accuracy(SAID, TRUE) == pytest.approx(4 / 6)
    assert f1(SAID, TRUE, 2) == pytest.approx(2 / 3)
    assert matthews(SAID, TRUE, 2) == pytest.approx((2 * 2 - 1 * 1) / (3 * 3))


def test_several_classes_by_hand() -> None:
    said, true = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    assert f1(said, true, 4) == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    covariance = 3 * 4 - (1 * 1 + 1 * 2 + 2 * 1)
    assert matthews(said, true, 4) == pytest.approx(covariance / np.sqrt((16 - 6) * (16 - 6)))
    assert matthews(true, true, 4) == pytest.approx(1)


def test_what_does_not_vary_has_no_correlation() -> None:
    same = np.zeros(4, dtype=np.int64)
    assert matthews(same, np.array([0, 1, 0, 1]), 2) == 0
    assert pearson(np.ones(3), np.arange(3.0)) == 0
    assert (accuracy(same[:0], same[:0]), f1(same[:0], same[:0], 3), pearson(np.ones(1), np.ones(1))) == (0, 0, 0)


def test_pearson_is_numpys() -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 50))
    assert pearson(one, other) == pytest.approx(np.corrcoef(one, other)[0, 1])
