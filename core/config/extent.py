"""How large a run's largest micro-batch is: what its activations follow.

Where the data has been looked at, its lengths are known, and a few of the run's steps are laid out as `core.data`
would lay them; drawn anew rather than as the run draws them, since the largest of many draws hardly varies. Otherwise
every row is taken for as long as an example may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from core.config.run import JUDGING, RunConfig
from core.data.arranging import arrange

DRAWN = 2048
"""Examples that are drawn, at most, in steps of which each is laid out; of a larger step only so many, or a batch."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The largest micro-batch: `rows` of `columns` tokens, padding included.

    Attributes:
        rows, columns: its shape.
        trained: its tokens that give a loss.
        measured: whether the data's lengths say so; otherwise it is the largest that the options allow.
    """

    rows: int
    columns: int
    trained: int
    measured: bool = False

    @property
    def tokens(self) -> int:
        """Places in the batch."""
        return self.rows * self.columns


def extent(config: RunConfig, *, context: int, report: Mapping[str, Any] | None = None) -> Extent:
    """The largest micro-batch of a run.

    Args:
        config: the run.
        context: tokens that the model reads at most; 0 where nobody knows.
        report: what `core.data.summary` found about the data; None while that is not known.
    """
    longest = min(config.data.max_tokens, context) if context else config.data.max_tokens
    batch = config.train.batch
    lengths = (report or {}).get("lengths") or {}
    if not (report and report.get("tokenised") and lengths.get("counts")):
        return Extent(batch, longest, batch * longest)
    rows, columns = _drawn(
        tuple(lengths["edges"]), tuple(lengths["counts"]), int(lengths["quantiles"]["1.0"]), longest,
        batch, config.train.accumulate, config.train.steps, config.data.packing and config.task not in JUDGING,
    )  # fmt: skip
    most = int(report["targets"]["quantiles"].get("1.0", longest))
    return Extent(rows, columns, min(rows * columns, batch * most), measured=True)


@lru_cache(maxsize=64)
def _drawn(
    edges: tuple[float, ...],
    counts: tuple[int, ...],
    largest: int,
    longest: int,
    batch: int,
    accumulate: int,
    steps: int,
    packing: bool,
) -> tuple[int, int]:
    """Rows and columns of the largest micro-batch among those of a few steps.

    Args:
        edges, counts: the histogram of the examples' lengths.
        largest: the longest of them.
        longest: where they are cut.
        batch, accumulate, steps: examples of a micro-batch, micro-batches of a step, steps of the run.
        packing: whether examples share rows.
    """
    middles = [max(1, round((low + high) / 2)) for low, high in pairwise(edges)]
    lengths = np.minimum(np.append(np.repeat(middles, counts)[:-1], largest), longest)
    generator, examples = np.random.default_rng(0), batch * accumulate
    size = min(examples, max(batch, DRAWN))
    found = (0, 0)
    for number in range(max(1, min(steps, DRAWN // size))):
        step = generator.choice(lengths, size, replace=len(lengths) < size)
        if number == 0 and steps * examples >= len(lengths):
            step[0] = lengths[-1]  # every example has its turn, so the longest has
        part = [int(length) for length in np.sort(step)[-batch:]]
        rows = arrange(part, longest) if packing else [[at] for at in range(batch)]
        shape = len(rows), max(sum(part[at] for at in row) for row in rows)
        found = max(found, shape, key=lambda shape: shape[0] * shape[1])
    return found
