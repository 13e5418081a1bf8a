"""Many examples in flat arrays are what they were one by one."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from core.data.tokens import TokenList, Tokens
from core.errors import UserError


def some() -> list[Tokens]:
    generator = np.random.default_rng(0)
    return [
        Tokens(
            generator.integers(0, 99, length).astype(np.int32),
            generator.integers(0, 2, length).astype(np.bool_),
            file=f"{row // 3}.jsonl",
            row=row,
            cut=row % 2,
            cut_trained=row % 3,
        )
        for row, length in enumerate((4, 1, 7, 2, 0, 5))
    ]


def same(one: Tokens, other: Tokens) -> bool:
    facts = (one.file, one.row, one.cut, one.cut_trained, one.targets, len(one), one.place)
    return (
        facts == (other.file, other.row, other.cut, other.cut_trained, other.targets, len(other), other.place)
        and np.array_equal(one.ids, other.ids)
        and np.array_equal(one.trained, other.trained)
    )


def test_a_list_gives_back_what_it_was_made_of() -> None:
    kept = TokenList(some())
    assert len(kept) == 6
    assert all(same(got, want) for got, want in zip(kept, some(), strict=True))
    assert same(kept[-1], some()[-1])
    assert [each.row for each in kept[1:4]] == [1, 2, 3]


def test_counts_over_a_list_are_those_of_its_examples() -> None:
    kept = TokenList(some())
    assert kept.lengths.tolist() == [len(each) for each in some()]
    assert kept.targets.tolist() == [each.targets for each in some()]
    assert kept.cut.tolist() == [[each.cut, each.cut_trained] for each in some()]


def test_some_of_a_list_are_views_with_their_own_counts() -> None:
    kept = TokenList(some())
    few = kept.pick(np.array([5, 2]))
    assert [each.row for each in few] == [5, 2]
    assert few.lengths.tolist() == [5, 7]
    assert few.targets.tolist() == [kept[5].targets, kept[2].targets]
    assert np.shares_memory(few[0].ids, kept[5].ids)
    assert [each.row for each in few.pick(np.array([1]))] == [2]


def test_an_empty_list_counts_nothing() -> None:
    empty = TokenList()
    assert len(empty) == 0
    assert empty.lengths.tolist() == empty.targets.tolist() == []
    assert empty.cut.shape == (0, 2)


def test_the_first_token_of_an_example_is_no_target() -> None:
    ids = np.array([5, 6, 7], dtype=np.int32)
    assert Tokens(ids, np.array([True, True, False])).targets == 1


def test_a_disk_without_room_for_what_is_too_long_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.data.flat.IN_MEMORY", 16)
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(UserError, match="does not take them: No space left"):
        TokenList(some())


def test_what_is_too_long_for_memory_is_mapped_from_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [Tokens(np.arange(n, n + 7, dtype=np.int32), np.arange(7) % 2 == n % 2, "a", n) for n in range(50)]
    held = TokenList(examples)
    monkeypatch.setattr("core.data.flat.IN_MEMORY", 64)
    mapped = TokenList(examples)
    assert isinstance(mapped._ids, np.memmap) and not isinstance(held._ids, np.memmap)
    assert mapped.targets.tolist() == held.targets.tolist() == [each.targets for each in examples]
    for one, other in zip(mapped, held, strict=True):
        assert (one.ids.tolist(), one.trained.tolist()) == (other.ids.tolist(), other.trained.tolist())
