"""What is found about each example once all are read, and which of them the user leaves out of the run for it.

A check's simplest remedy is to do without the rows that it names. Nothing of the file is changed: the run says which
kinds of rows it leaves out (`data.leave_out`), so that it reads the same data in the same way again, and the report
says how many they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.config.run import DataConfig
from core.data.check_names import LEAVABLE
from core.data.problem import Indices, Parts, Problem, counted, rows_of
from core.data.reading import Reading
from core.data.sameness import conflicting, keys, repeated
from core.data.scripts import broken_scripts
from core.data.tokens import TokenList

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DOMINATES = 0.2
"""Share of all trained tokens from which one example is said to dominate."""
TIMES_MEDIAN = 20
"""Times the median's trained tokens that it must have as well."""
FEWEST = 10
"""Examples below which each has a large share anyway."""
SILENT = "partly-nothing-trained"
"""The check of examples that teach nothing among others that do."""
RARE = 5
"""Examples of a class below which it is hardly learned."""
WRITTEN = ("causal-lm", "preference")
"""Tasks in which the model writes."""
NONE: Indices = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a path is used.

    Attributes:
        tokens: the examples that stay.
        fingerprints: of each of them; see `core.data.sameness.keys`.
        near: of each of them; see `core.data.sameness.near_key`. Empty for windows of documents.
        marks: what is found about them: the name of a check to their numbers.
        left: the name of a check to those that were left out for it, of all examples.
    """

    tokens: TokenList
    fingerprints: list[bytes]
    near: Indices
    marks: dict[str, Indices]
    left: dict[str, Indices]

    def pick(self, indices: Indices) -> Kept:
        """Some of them, with nothing more said about them."""
        near = self.near[indices] if len(self.near) else self.near
        return Kept(self.tokens.pick(indices), [self.fingerprints[at] for at in indices], near, {}, self.left)


def kept_of(
    reading: Reading,
    names: Sequence[str],
    task: str,
    *,
    ends: bool,
    beside: Kept | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Kept:  # fmt: skip
    """A path's examples without those that are left out.

    Args:
        reading: the data, with its goals.
        names: the checks whose examples are left out.
        task: what the run learns.
        ends: whether the tokenizer has a token for the end of a text.
        beside: what is held out, which may be left out here.
        tokenizer: what made the tokens.
    """
    tokens = reading.tokens
    count = len(tokens)
    if not count:
        return Kept(tokens, [], NONE, {}, {})
    everything = Kept(tokens, keys(tokens), reading.near_keys, {}, {})
    marks = _marks(reading, everything, task, ends=ends)
    if "bytes" in names and tokenizer is not None:
        broken = [script.where for script in broken_scripts(tokens, tokenizer)]
        marks["bytes"] = np.unique(np.concatenate([NONE, *broken]))
    if beside is not None:
        marks |= twins(everything, beside)
    gone = np.zeros(count, dtype=np.bool_)
    left = {}
    for name in names:
        some = marks.get(name, NONE)
        left[name] = some[~gone[some]]
        gone[some] = True
    where = np.flatnonzero(~gone)
    number = np.full(count, -1, dtype=np.int64)
    number[where] = np.arange(len(where))
    found = {name: number[some][number[some] >= 0] for name, some in marks.items()}
    return replace(everything.pick(where), marks=found, left=left)


def twins(some: Kept, others: Kept) -> dict[str, Indices]:
    """Which of some examples are among others as well, by check: to the token, and but for spaces and capitals."""
    there = set(others.fingerprints)
    equal = np.array([at for at, key in enumerate(some.fingerprints) if key in there], dtype=np.int64)
    near = np.flatnonzero(np.isin(some.near, others.near))
    return {"held-out-trained": equal, "held-out-near": np.setdiff1d(near, equal)}


def _marks(reading: Reading, everything: Kept, task: str, *, ends: bool) -> dict[str, Indices]:
    """What is found about the examples: the name of a check to their numbers."""
    tokens, near = everything.tokens, everything.near
    found = {name: np.array(places, dtype=np.int64) for name, places in reading.odd.items()}
    found[SILENT] = np.flatnonzero(tokens.targets == 0)
    found["truncated"] = np.flatnonzero(tokens.cut[:, 0])
    found["duplicates"] = repeated(everything.fingerprints)
    found["near-duplicates"] = np.setdiff1d(repeated(near.tolist()), found["duplicates"])
    if task in WRITTEN:
        found["dominates"] = _dominating(tokens.counted)
        if ends:
            found["end-not-trained"] = np.flatnonzero(~tokens.stops & (tokens.targets > 0) & (tokens.cut[:, 0] == 0))
    elif reading.labels:
        found["conflicting-labels"] = conflicting(near, tokens.goals)
    if task == "sequence-classification" and reading.labels:
        goals = tokens.goals.astype(np.int64)
        found["rare-labels"] = np.flatnonzero(np.bincount(goals)[goals] < RARE)
    return found


def told(data: DataConfig, parts: Parts) -> Iterator[Problem]:
    """What was left out, and how to take it in again."""
    for name in data.leave_out:
        some = parts.left.get(name, NONE)
        others = tuple(other for other in data.leave_out if other != name)
        yield Problem(
            "data.leave_out",
            f"Left out: {counted(len(some), 'example')} {LEAVABLE[name]}.",
            check=name,
            count=len(some),
            rows=rows_of(parts.reading.tokens, some),
            remedy={"data.leave_out": others},
            does="Take them in again",
            settled=True,
        )


def _dominating(counted: NDArray[np.float64]) -> Indices:
    """Examples with so many tokens, or such weight, that the run learns them above all."""
    if len(counted) < FEWEST:
        return NONE
    return np.flatnonzero((counted > DOMINATES * counted.sum()) & (counted > TIMES_MEDIAN * np.median(counted)))
