"""The held-out part: chosen by the seed, disjoint, and without twins on the other side."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.data.sameness import keys
from core.data.split import split
from core.data.tokens import TokenList, Tokens


def distinct(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), min_size=1, max_size=40), st.floats(0.01, 0.9))
def test_every_example_is_on_one_side_and_equal_ones_on_the_same(marks: list[bytes], share: float) -> None:
    train, held_out = split(marks, share, seed=1)
    assert sorted([*train, *held_out]) == list(range(len(marks)))
    assert not {marks[index] for index in train} & {marks[index] for index in held_out}
    assert len(train)
    assert len(held_out) or len(set(marks)) == 1


def test_the_share_is_met_and_the_order_of_the_data_kept() -> None:
    train, held_out = split(distinct(1000), 0.1, seed=0)
    assert len(held_out) == 100
    assert list(train) == sorted(train)
    assert list(held_out) == sorted(held_out)


def test_one_example_that_stands_there_a_hundred_times_spoils_no_share() -> None:
    for seed in range(8):
        assert len(split([*distinct(300), *[b"again"] * 100], 0.1, seed=seed)[1]) == 40


def test_equal_seeds_choose_equal_examples_and_others_do_not() -> None:
    chosen = [split(distinct(200), 0.2, seed=seed)[1] for seed in (5, 5, 6)]
    assert np.array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])


def test_nothing_is_held_out_where_nothing_is_asked_for() -> None:
    train, held_out = split(distinct(10), 0.0, seed=0)
    assert len(train) == 10
    assert not len(held_out)


def test_a_small_share_of_a_small_file_still_holds_one_out() -> None:
    train, held_out = split(distinct(3), 0.01, seed=0)
    assert (len(train), len(held_out)) == (2, 1)
    assert [len(side) for side in split(distinct(2), 0.9, seed=0)] == [1, 1]
    assert [len(side) for side in split(distinct(1), 0.5, seed=0)] == [1, 0]


def test_equal_tokens_have_equal_keys() -> None:
    one, same, other = (
        Tokens(np.array(ids, dtype=np.int32), np.ones(2, dtype=np.bool_), row=row)
        for row, ids in enumerate(([1, 2], [1, 2], [2, 1]))
    )
    found = keys(TokenList([one, same, other]))
    assert found[0] == found[1] != found[2]
