"""Which examples are held out: a share of them, chosen by the seed, and never a twin of one that is trained on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def split(fingerprints: Sequence[Hashable], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and indices to hold out, each in the order of the data.

    Equal examples go to one side together: a group that is too large for what is still to be held out is trained on,
    and the next is looked at. At least one example stays on each side, unless the share is 0 or all are equal: then
    nothing is held out.

    Args:
        fingerprints: one for each example; equal ones are equal examples (`core.data.sameness`).
        share: of the examples, 0 to 1.
        seed: equal seeds choose equal examples.
    """
    everything = np.arange(len(fingerprints))
    number: dict[Hashable, int] = {}
    groups = np.array([number.setdefault(key, len(number)) for key in fingerprints], dtype=np.int64)
    if share <= 0 or len(number) < 2:
        return everything, everything[:0]
    order = np.random.default_rng(seed).permutation(len(number))
    sizes = np.bincount(groups)
    wanted, count = max(1.0, share * len(groups)), 0
    chosen: list[int] = []
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        if count + size / 2 < wanted and len(chosen) < len(number) - 1:
            chosen.append(group)
            count += size
    held_out = np.isin(groups, chosen or [int(order[np.argmin(sizes[order])])])
    return everything[~held_out], everything[held_out]
