"""Examples as tokens: one by one, and many of them in a few flat arrays.

A million examples as a million Python objects would take gigabytes; `TokenList` keeps all ids in one array and hands
out views, at about five bytes a token. Past `IN_MEMORY` the arrays are written to temporary files and mapped, so that
data larger than memory can be trained on.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from core.data.example import place
from core.data.flat import Flat
from core.data.weights import Weights

NO_GOAL = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """One example as the model sees it.

    Attributes:
        ids: token ids, int32 (n,).
        trained: which of them are learned, bool (n,).
        file: the file it comes from.
        row: its line in that file.
        cut: tokens that did not fit and were cut off.
        cut_trained: how many of those were to be learned.
        second: where the second text begins, in an example of two (an answer that was chosen and one that was
            rejected, or a pair of sentences that is judged); 0 where there is one text.
        goal: what a labelled text is judged as: the number of its class, or a value; not a number where there is none.
        stops: whether the end of the answer is learned, or there is no answer.
        weights: how much each trained token counts in the loss, float32 (n,), to be read where it is trained; None
            where each counts 1.
    """

    ids: NDArray[np.int32]
    trained: NDArray[np.bool_]
    file: str = ""
    row: int = 0
    cut: int = 0
    cut_trained: int = 0
    second: int = 0
    goal: float = NO_GOAL
    stops: bool = True
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def truncated(self) -> bool:
        """Whether something was cut off."""
        return self.cut > 0

    @property
    def targets(self) -> int:
        """What gives a loss: the trained tokens except the first of all, which nothing comes before; or the goal."""
        return 1 if self.judged else int(self.trained[1:].sum())

    @property
    def judged(self) -> bool:
        """Whether it is a text that is judged, rather than one that is written."""
        return self.goal == self.goal

    def texts(self) -> tuple[Tokens, ...]:
        """The texts that the model sees apart: itself, or of two answers each."""
        if self.judged or not self.second:
            return (self,)
        parts = slice(0, self.second), slice(self.second, None)
        return tuple(Tokens(self.ids[part], self.trained[part], self.file, self.row) for part in parts)

    @property
    def place(self) -> str:
        """Where it comes from, for messages."""
        return place(self.file, self.row)


class TokenList(Sequence[Tokens]):
    """Many examples as tokens, in flat arrays. `pick` gives some of them without copying."""

    def __init__(self, examples: Iterable[Tokens] = ()) -> None:
        ids, trained, weights = Flat(np.int32), Flat(np.bool_), Weights()
        starts, numbers, goals = array("q", [0]), array("q"), array("d")
        self._files: list[str] = []
        for example in examples:
            ids.extend(example.ids)
            trained.extend(example.trained)
            weights.extend(example.weights, example.trained)
            starts.append(ids.count)
            numbers.extend((self._file(example.file), example.row, example.cut, example.cut_trained))
            numbers.extend((example.second, example.stops, int(example.trained[1:].sum())))
            goals.append(example.goal)
        self._ids: NDArray[np.int32] = ids.whole()
        self._trained: NDArray[np.bool_] = trained.whole()
        self._weights: NDArray[np.float32] | None = weights.whole()
        self._starts: NDArray[np.int64] = np.array(starts, dtype=np.int64)
        self._numbers: NDArray[np.int64] = np.array(numbers, dtype=np.int64).reshape(-1, 7)
        self._goals: NDArray[np.float64] = np.array(goals, dtype=np.float64)
        self._counted: NDArray[np.float64] | None = weights.counted(self._numbers[:, 6])
        self._chosen: NDArray[np.int64] = np.arange(len(self._starts) - 1)

    def _file(self, name: str) -> int:
        """The number of a file; examples come file by file, so the last one is nearly always it."""
        if not self._files or self._files[-1] != name:
            self._files.append(name)
        return len(self._files) - 1

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> Tokens: ...
    @overload
    def __getitem__(self, index: slice) -> TokenList: ...
    def __getitem__(self, index: int | slice) -> Tokens | TokenList:
        if isinstance(index, slice):
            return self.pick(np.arange(len(self))[index])
        at = int(self._chosen[index])
        inside = slice(int(self._starts[at]), int(self._starts[at + 1]))
        file, row, cut, cut_trained, second, stops, _ = (int(number) for number in self._numbers[at])
        return Tokens(
            self._ids[inside], self._trained[inside], self._files[file], row, cut, cut_trained,
            second, float(self._goals[at]), bool(stops), None if self._weights is None else self._weights[inside],
        )  # fmt: skip

    def __iter__(self) -> Iterator[Tokens]:
        return (self[index] for index in range(len(self)))

    def pick(self, indices: NDArray[np.int64]) -> TokenList:
        """The examples at these indices, sharing memory with this list."""
        some = TokenList.__new__(TokenList)
        some.__dict__.update(self.__dict__)
        some._chosen = self._chosen[indices]
        return some

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the tokens of each example begin, and the end of the last, those not picked included."""
        return self._starts

    def parts(self) -> dict[str, Any]:
        """Everything that it consists of, by name: for `of_parts`. Nothing may have been picked."""
        return {name.removeprefix("_"): part for name, part in vars(self).items() if name != "_chosen"}

    @classmethod
    def of_parts(cls, parts: Mapping[str, Any]) -> TokenList:
        """The examples that have given these parts."""
        whole = cls.__new__(cls)
        whole.__dict__.update({f"_{name}": part for name, part in parts.items()})
        whole._chosen = np.arange(len(whole._starts) - 1)
        return whole

    def chunks(self, most: int) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.int64]]]:
        """All token ids, of some examples at a time, so that no more than they take is in memory.

        Args:
            most: tokens, unless one example has more.

        Yields:
            The number of the first example, the ids of some, and where each begins in them with the end of the last.
        """
        ends = np.concatenate(([0], np.cumsum(self.lengths)))
        first = 0
        while first < len(self):
            last = max(first + 1, int(np.searchsorted(ends, ends[first] + most, side="right")) - 1)
            some = self._chosen[first:last]
            if some[-1] - some[0] == last - first - 1 and (np.diff(some) == 1).all():
                ids = self._ids[int(self._starts[some[0]]) : int(self._starts[some[-1] + 1])]
            else:
                ids = np.concatenate([self._ids[int(self._starts[at]) : int(self._starts[at + 1])] for at in some])
            yield first, ids, ends[first : last + 1] - ends[first]
            first = last

    def at(self, file: str, row: int) -> NDArray[np.int64]:
        """Which examples come from a row of a file; several, where a document was cut into windows."""
        files = [number for number, name in enumerate(self._files) if name == file]
        mine = self._numbers[self._chosen]
        return np.flatnonzero(np.isin(mine[:, 0], files) & (mine[:, 1] == row))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example, (examples,)."""
        return np.diff(self._starts)[self._chosen]

    @property
    def highest(self) -> int:
        """The largest token id of all, those not picked included; -1 where there is none."""
        return int(self._ids.max(initial=-1))

    @property
    def targets(self) -> NDArray[np.int64]:
        """What of each example gives a loss, (examples,); see `Tokens.targets`."""
        return np.where(np.isnan(self._goals), self._numbers[:, 6], 1)[self._chosen]

    @property
    def counted(self) -> NDArray[np.float64]:
        """How much each example counts in the loss, (examples,): its targets, by weight where tokens have weights."""
        return self.targets.astype(np.float64) if self._counted is None else self._counted[self._chosen]

    @property
    def weighted(self) -> bool:
        """Whether any token counts other than 1, in these examples or in those that were not picked."""
        return self._weights is not None

    @property
    def goals(self) -> NDArray[np.float64]:
        """What each example is judged as, (examples,); see `Tokens.goal`."""
        return self._goals[self._chosen]

    def with_goals(self, goals: NDArray[np.float64]) -> TokenList:
        """The same examples with other goals, (examples,)."""
        some = self.pick(np.arange(len(self)))
        some._goals = self._goals.copy()
        some._goals[self._chosen] = goals
        return some

    @property
    def stops(self) -> NDArray[np.bool_]:
        """Of each example whether the end of its answer is learned, (examples,)."""
        learned: NDArray[np.bool_] = self._numbers[self._chosen, 5].astype(np.bool_)
        return learned

    @property
    def cut(self) -> NDArray[np.int64]:
        """Tokens cut off of each example, and how many of those were trained, (examples, 2)."""
        return self._numbers[self._chosen, 2:4]
