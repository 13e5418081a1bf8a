"""From examples to the tensors of a step.

`Batches.micro_batches(step)` is a pure function of the seed and the step: nothing has to be remembered to go on with a
run exactly where it was. Each pass over the data has an order of its own. A micro-batch holds `batch` examples always;
packing only lays them in fewer, fuller rows, so that training with and without it is the same, step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.packing import arrange
from core.data.tokens import TokenList, Tokens

IGNORED = -100
"""The label of a token that gives no loss, as `transformers` has it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one forward pass takes, on the CPU.

    Attributes:
        input_ids: int64 (rows, columns).
        labels: int64 (rows, columns), the ids again, with -100 where nothing is learned; the model shifts them itself.
        attention_mask: int64 (rows, columns), 0 at padding; None where rows are packed: the positions say it all.
        position_ids: int64 (rows, columns), starting anew with each example; None where rows are not packed.
        tokens: how many there are, padding left out.
        trained: how many give a loss.
    """

    input_ids: Tensor
    labels: Tensor
    attention_mask: Tensor | None
    position_ids: Tensor | None
    tokens: int
    trained: int


class Batches:
    """The batches of a run.

    Args:
        examples: what to learn from, with tokens that give a loss in each.
        batch: examples in a forward pass.
        accumulate: forward passes in a step.
        max_tokens: the widest row that packing makes.
        seed: of the order.
        packing: whether examples may share a row; see `core.data.packing.packable`.
        pad_id: what rows are filled up with. It is never learned and never seen, whatever else it may be.
    """

    def __init__(
        self,
        examples: Sequence[Tokens],
        *,
        batch: int,
        accumulate: int = 1,
        max_tokens: int,
        seed: int = 0,
        packing: bool = True,
        pad_id: int = 0,
    ) -> None:
        self._examples = examples
        self._batch = batch
        self._accumulate = accumulate
        self._max_tokens = max_tokens
        self._seed = seed
        self._packing = packing
        self._pad_id = pad_id
        self._lengths = _lengths(examples)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, dtype=np.int64))

    def micro_batches(self, step: int) -> list[Batch]:
        """The batches of the 0-based step, one for each forward pass.

        Within the step, examples of like length go together, which saves padding and changes nothing else.
        """
        chosen = self.indices(step)
        if self._accumulate > 1:
            chosen = chosen[np.argsort(self._lengths[chosen], kind="stable")]
        return [self._make(part) for part in chosen.reshape(self._accumulate, self._batch)]

    def indices(self, step: int) -> NDArray[np.int64]:
        """Which examples the 0-based step takes, (accumulate * batch,)."""
        size = self._batch * self._accumulate
        places = np.arange(step * size, (step + 1) * size)
        epochs, within = np.divmod(places, len(self._examples))
        return np.array([self._permutation(int(e))[w] for e, w in zip(epochs, within, strict=True)], dtype=np.int64)

    def evaluation(self, batch: int) -> list[Batch]:
        """Every example once, `batch` at a time, those of like length together."""
        order = np.argsort(self._lengths, kind="stable")
        return [self._make(order[start : start + batch]) for start in range(0, len(order), batch)]

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            generator = np.random.default_rng([self._seed, epoch])
            self._order = (epoch, generator.permutation(len(self._examples)))
        return self._order[1]

    def _make(self, indices: NDArray[np.int64]) -> Batch:
        chosen = [self._examples[int(index)] for index in indices]
        if self._packing:
            rows = arrange([len(tokens) for tokens in chosen], self._max_tokens)
            return _packed([[chosen[index] for index in row] for row in rows], self._pad_id)
        return _padded(chosen, self._pad_id)


def _lengths(examples: Sequence[Tokens]) -> NDArray[np.int64]:
    if isinstance(examples, TokenList):
        return examples.lengths
    return np.array([len(example) for example in examples], dtype=np.int64)


def _padded(examples: Sequence[Tokens], pad_id: int) -> Batch:
    """One example a row."""
    ids, labels = _filled([[example] for example in examples], pad_id)
    mask = np.zeros(ids.shape, dtype=np.int64)
    for row, example in enumerate(examples):
        mask[row, : len(example)] = 1
    return _batch(ids, labels, examples, attention_mask=torch.from_numpy(mask))


def _packed(rows: Sequence[Sequence[Tokens]], pad_id: int) -> Batch:
    """Several examples a row; the padding behind them counts from 0 as well, and so is apart from them."""
    ids, labels = _filled(rows, pad_id)
    positions = np.zeros(ids.shape, dtype=np.int64)
    for row, examples in enumerate(rows):
        lengths = [len(example) for example in examples]
        lengths.append(ids.shape[1] - sum(lengths))
        positions[row] = np.concatenate([np.arange(length) for length in lengths])
    everything = [example for row in rows for example in row]
    return _batch(ids, labels, everything, position_ids=torch.from_numpy(positions))


def _filled(rows: Sequence[Sequence[Tokens]], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and labels, (rows, columns) both; an example's first token is nobody's target."""
    columns = max(sum(len(example) for example in row) for row in rows)
    ids = np.full((len(rows), columns), pad_id, dtype=np.int64)
    labels = np.full((len(rows), columns), IGNORED, dtype=np.int64)
    for row, examples in enumerate(rows):
        at = 0
        for example in examples:
            inside = slice(at, at + len(example))
            ids[row, inside] = example.ids
            labels[row, inside] = np.where(example.trained, example.ids, IGNORED)
            labels[row, at] = IGNORED
            at += len(example)
    return ids, labels


def _batch(
    ids: NDArray[np.int64],
    labels: NDArray[np.int64],
    examples: Sequence[Tokens],
    *,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
) -> Batch:
    return Batch(
        input_ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        attention_mask=attention_mask,
        position_ids=position_ids,
        tokens=sum(len(example) for example in examples),
        trained=int((labels != IGNORED).sum()),
    )
