"""Which examples are the same, to the token or to a reader who sees neither spaces nor capitals.

Equal texts that differ in a blank are as bad as equal ones: a model that has learned one knows the other, so the two
must not stand on both sides of the held-out split.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.data.example import Example
from core.data.tokens import TokenList

Indices = NDArray[np.int64]
AT_ONCE = 2**20
"""Tokens that are looked at together."""


def near_key(example: Example) -> int:
    """A number that examples share which differ in white space and capitals alone; a label is no part of it."""
    digest = blake2b(digest_size=8)
    for turn in (*example.turns, *example.rejected):
        calls = "".join(map(str, turn.calls))
        digest.update(f"{turn.role}\x1f{' '.join((turn.content + calls).casefold().split())}\x1e".encode())
    if example.ids:
        digest.update(np.array(example.ids, dtype=np.int64).tobytes())
    return int.from_bytes(digest.digest(), "big", signed=True)


def keys(examples: TokenList) -> list[bytes]:
    """A fingerprint of each example's tokens; equal examples have equal ones."""
    found: list[bytes] = []
    for _, ids, borders in examples.chunks(AT_ONCE):
        letters, at = memoryview(ids.tobytes()), (borders * ids.itemsize).tolist()
        found += [blake2b(letters[start:end], digest_size=16).digest() for start, end in pairwise(at)]
    return found


def repeated(fingerprints: Sequence[object]) -> Indices:
    """Which of them were there before."""
    seen: set[object] = set()
    found = []
    for at, key in enumerate(fingerprints):
        if key in seen:
            found.append(at)
        seen.add(key)
    return np.array(found, dtype=np.int64)


def groups(fingerprints: Sequence[bytes], near: NDArray[np.int64]) -> list[int]:
    """The number of each example's group: all that are the same in one way or the other, or by way of a third.

    Args:
        fingerprints: see `keys`.
        near: see `near_key`; none where the examples are windows of documents.
    """
    if not len(near):
        return _numbered(fingerprints)
    of_near = _numbered(near.tolist())
    leader = list(range(max(of_near, default=-1) + 1))

    def found(group: int) -> int:
        while leader[group] != group:
            leader[group] = leader[leader[group]]
            group = leader[group]
        return group

    first: dict[bytes, int] = {}
    for key, group in zip(fingerprints, of_near, strict=True):
        leader[found(group)] = found(first.setdefault(key, group))
    return [found(group) for group in of_near]


def conflicting(near: NDArray[np.int64], goals: NDArray[np.float64]) -> Indices:
    """Which examples have the text of another one and not its goal."""
    if not len(near):
        return near
    order = np.argsort(near, kind="stable")
    starts = np.flatnonzero(np.diff(near[order], prepend=near[order[0]] - 1))
    lowest, highest = (at.reduceat(goals[order], starts) for at in (np.minimum, np.maximum))
    sizes = np.diff(np.append(starts, len(order)))
    return np.sort(order[np.repeat(lowest != highest, sizes)])


def _numbered(values: Sequence[object]) -> list[int]:
    """Equal values as equal numbers, from 0 in the order in which they come."""
    number: dict[object, int] = {}
    return [number.setdefault(value, len(number)) for value in values]
