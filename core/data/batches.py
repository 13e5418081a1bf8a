"""From examples to the tensors of a step.

`Batches.micro_batches(step)` is a pure function of the seed and the step: nothing has to be remembered to go on with a
run exactly where it was. Each pass over the data has an order of its own. A micro-batch holds `batch` examples always;
packing only lays them in fewer, fuller rows, so that training with and without it is the same, step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.arranging import arrange
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
        trained: how many losses there are: tokens; in preference tuning pairs, in classification texts.
        texts: int64 (rows, columns), which text of the batch a token belongs to, -1 at padding.
        sources: for each of those texts which example it is, and which text of that example.
        goals: float32 (rows,), what each text is judged as; None where texts are written.
        token_type_ids: int64 (rows, columns), 1 in the second sentence of a pair; None where the model knows none.
        weights: float32 (rows, columns), how much the loss of each token counts that has a label, 0 elsewhere; None
            where each counts 1.
    """

    input_ids: Tensor
    labels: Tensor
    attention_mask: Tensor | None
    position_ids: Tensor | None
    tokens: int
    trained: int
    texts: Tensor | None = None
    sources: tuple[tuple[int, int], ...] = ()
    goals: Tensor | None = None
    token_type_ids: Tensor | None = None
    weights: Tensor | None = None

    @property
    def counted(self) -> float:
        """What the sum of its losses is divided by for their mean: how many there are, or what they weigh together."""
        return float(self.trained) if self.weights is None else self.weights.sum(dtype=torch.float64).item()


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
        return [self._make(part) for part in self.parts(step)]

    def parts(self, step: int) -> NDArray[np.int64]:
        """Which examples each micro-batch of the 0-based step takes, (accumulate, batch)."""
        chosen = self.indices(step)
        if self._accumulate > 1:
            chosen = chosen[np.argsort(self._lengths[chosen], kind="stable")]
        return chosen.reshape(self._accumulate, self._batch)

    def where(self, example: int) -> tuple[int, int]:
        """The first step that takes an example, and the micro-batch of it."""
        place = int(np.flatnonzero(self._permutation(0) == example)[0])
        step = place // (self._batch * self._accumulate)
        return step, int(np.flatnonzero((self.parts(step) == example).any(axis=1))[0])

    def indices(self, step: int) -> NDArray[np.int64]:
        """Which examples the 0-based step takes, (accumulate * batch,)."""
        size = self._batch * self._accumulate
        places = np.arange(step * size, (step + 1) * size)
        epochs, within = np.divmod(places, len(self._examples))
        return np.array([self._permutation(int(e))[w] for e, w in zip(epochs, within, strict=True)], dtype=np.int64)

    def evaluation(self, batch: int) -> Sequence[Batch]:
        """Every example once, `batch` at a time, those of like length together; laid out when they are asked for."""
        order = np.argsort(self._lengths, kind="stable")
        return _Passes([order[start : start + batch] for start in range(0, len(order), batch)], self._make)

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            generator = np.random.default_rng([self._seed, epoch])
            self._order = (epoch, generator.permutation(len(self._examples)))
        return self._order[1]

    def _make(self, indices: NDArray[np.int64]) -> Batch:
        examples = [self._examples[int(index)] for index in indices]
        texts = [text for example in examples for text in example.texts()]
        sources = [
            (int(index), part)
            for index, each in zip(indices, examples, strict=True)
            for part, _ in enumerate(each.texts())
        ]
        judged = examples[0].judged
        lengths = [len(text) for text in texts]
        rows = (
            arrange(lengths, self._max_tokens) if self._packing and not judged else [[at] for at in range(len(texts))]
        )
        batch = _laid(rows, texts, self._pad_id, packed=self._packing and not judged)
        batch = replace(batch, sources=tuple(sources))
        if judged:
            return _judged(batch, examples)
        return batch if len(texts) == len(examples) else replace(batch, trained=len(examples))


class _Passes(Sequence[Batch]):
    """Batches of which one is in memory at a time, however many there are.

    Args:
        parts: of each the examples that it holds.
        make: lays it out.
    """

    def __init__(self, parts: Sequence[NDArray[np.int64]], make: Callable[[NDArray[np.int64]], Batch]) -> None:
        self._parts, self._make = parts, make

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> Batch: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Batch]: ...
    def __getitem__(self, index: int | slice) -> Batch | Sequence[Batch]:
        if isinstance(index, slice):
            return _Passes(self._parts[index], self._make)
        return self._make(self._parts[index])


def _lengths(examples: Sequence[Tokens]) -> NDArray[np.int64]:
    if isinstance(examples, TokenList):
        return examples.lengths
    return np.array([len(example) for example in examples], dtype=np.int64)


def _laid(rows: Sequence[Sequence[int]], texts: Sequence[Tokens], pad_id: int, *, packed: bool) -> Batch:
    """Texts in rows; an example's first token is nobody's target.

    Packed, positions start anew with each text, and the padding behind them counts from 0 as well, and so is apart from
    them. Otherwise the mask leaves the padding out.

    Args:
        rows: for each row its texts, by their place in `texts`.
        texts: what to lay.
        pad_id: what fills rows up.
        packed: whether several texts share a row.
    """
    shape = len(rows), max(sum(len(texts[at]) for at in row) for row in rows)
    ids = np.full(shape, pad_id, dtype=np.int64)
    labels = np.full(shape, IGNORED, dtype=np.int64)
    belongs = np.full(shape, -1, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    for number, row in enumerate(rows):
        at = 0
        for text in row:
            length = len(texts[text])
            inside = slice(at, at + length)
            ids[number, inside] = texts[text].ids
            labels[number, inside] = np.where(texts[text].trained, texts[text].ids, IGNORED)
            labels[number, at : at + 1] = IGNORED
            belongs[number, inside] = text
            positions[number, inside] = np.arange(length)
            at += length
        positions[number, at:] = np.arange(shape[1] - at)
    return Batch(
        input_ids=torch.from_numpy(ids),
        labels=torch.from_numpy(labels),
        attention_mask=None if packed else torch.from_numpy((belongs >= 0).astype(np.int64)),
        position_ids=torch.from_numpy(positions) if packed else None,
        tokens=int((belongs >= 0).sum()),
        trained=int((labels != IGNORED).sum()),
        texts=torch.from_numpy(belongs),
        weights=_weights(rows, texts, labels),
    )


def _weights(
    rows: Sequence[Sequence[int]], texts: Sequence[Tokens], labels: NDArray[np.int64]
) -> Tensor | None:  # fmt: skip
    """How much each label counts, laid as the texts are; None where each counts 1, so that nothing is reckoned then."""
    if all(text.weights is None for text in texts):
        return None
    weights = np.ones(labels.shape, dtype=np.float32)
    for number, row in enumerate(rows):
        at = 0
        for text in row:
            one = texts[text]
            if one.weights is not None:
                weights[number, at : at + len(one)] = one.weights
            at += len(one)
    learned = labels != IGNORED
    return None if (weights[learned] == 1).all() else torch.from_numpy(np.where(learned, weights, np.float32(0)))


def _judged(batch: Batch, examples: Sequence[Tokens]) -> Batch:
    """The batch with what each text is judged as, and with its second sentences marked where there are any."""
    kinds = None
    if any(example.second for example in examples):
        kinds = torch.zeros_like(batch.input_ids)
        for row, example in enumerate(examples):
            if example.second:
                kinds[row, example.second : len(example)] = 1
    goals = torch.tensor([example.goal for example in examples], dtype=torch.float32)
    return replace(batch, goals=goals, token_type_ids=kinds, trained=len(examples))
