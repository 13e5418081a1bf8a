"""Everything measured in one run, kept up to date by reading what is new: what figures are made from.

The window's live page, a historic run and the command line all read a run through this, so there is one code path and
one picture. Arrays grow at their ends (`Growing`); nothing is read twice, whatever the length of the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.events import Event, Rewound
from core.figures.growing import Growing
from core.layers import LayerInfo

if TYPE_CHECKING:
    from core.store.store import Store

CURVES = (
    "loss", "held_out", "learning_rate", "gradient_norm", "tokens_per_second", "memory", "trained_tokens", "seconds",
)  # fmt: skip
"""The scalars that every run measures."""
VECTORS = ("delta_norm", "relative_norm", "effective_rank", "largest_singular", "update_size")
"""The numbers per layer that every run measures."""


_ROWS = 8
"""A row of a vector counts as so many points where a reading is portioned: it has hundreds of numbers."""
MOST_ROWS = 4096
"""Rows of a vector that are kept: beyond, every second one goes, so that memory is bounded however long the run is."""


class Measured:
    """Steps and what was measured at them: plain numbers, or one row of `width` numbers per step.

    Rows are thinned (every second, fourth, eighth ... measurement stays, and always the newest) where there would be
    more than `most`; plain numbers are all kept.
    """

    def __init__(self, width: int | None = None, *, most: int | None = None) -> None:
        self._steps = Growing(np.int64)
        self._values = Growing(np.float64 if width is None else np.float32, width)
        self._most = most
        self._stride = 1
        self._count = 0
        self._newest_is_extra = False

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def steps(self) -> NDArray[np.int64]:
        """The steps, rising."""
        return self._steps.view

    @property
    def values(self) -> NDArray[Any]:
        """float64 (n,) or float32 (n, width)."""
        return self._values.view

    @property
    def last_step(self) -> int:
        """The newest step; -1 before the first."""
        return int(self.steps[-1]) if len(self) else -1

    def extend(self, steps: NDArray[Any], values: NDArray[Any]) -> None:
        """Append measurements that follow the present ones."""
        if self._most is None:
            self._append(steps, values)
            return
        self._drop_extra()
        chosen = np.arange(-self._count % self._stride, len(steps), self._stride)
        self._append(steps[chosen], values[chosen])
        self._count += len(steps)
        self._thin()
        if len(steps) and self.last_step != int(steps[-1]):
            self._append(steps[-1:], values[-1:])
            self._newest_is_extra = True

    def cut(self, step: int) -> None:
        """Forget what was measured after `step`."""
        self._drop_extra()
        size = int(np.searchsorted(self.steps, step, side="right"))
        self._steps.cut(size)
        self._values.cut(size)
        self._count = size * self._stride

    def at(self, step: float) -> Any:
        """The last value measured not after `step`; None before the first."""
        index = int(np.searchsorted(self.steps, step, side="right")) - 1
        return self.values[index] if index >= 0 else None

    def _append(self, steps: NDArray[Any], values: NDArray[Any]) -> None:
        self._steps.extend(steps)
        self._values.extend(values)

    def _drop_extra(self) -> None:
        """Take the newest row out again where it stood there only as the newest."""
        if self._newest_is_extra:
            self._steps.cut(len(self) - 1)
            self._values.cut(len(self._steps))
            self._newest_is_extra = False

    def _thin(self) -> None:
        while self._most is not None and len(self) > self._most:
            steps, values = self.steps[::2].copy(), self.values[::2].copy()
            self._steps.cut(0)
            self._values.cut(0)
            self._append(steps, values)
            self._stride *= 2


def _stride(count: int) -> int:
    """The power of two by which so many rows are few enough."""
    stride = 1
    while count > MOST_ROWS * stride:
        stride *= 2
    return stride


@dataclass
class Trace:
    """One run's measurements and events, grown by `update`.

    Attributes:
        layers: the adapted layers, in the order of every vector; empty until the worker has made them.
        curves, vectors: what was measured, by key.
        events: with the times (seconds since the epoch) at which they were written.
        portion: points of each curve that are read at once at most, for who must not wait long; below 0 for all.
        behind: whether more is there to be read at once.
    """

    store: Store
    run: str
    portion: int = -1
    behind: bool = False
    layers: tuple[LayerInfo, ...] = ()
    curves: dict[str, Measured] = field(default_factory=dict)
    vectors: dict[str, Measured] = field(default_factory=dict)
    events: list[tuple[float, Event]] = field(default_factory=list)
    _cursor: int = 0
    _wanted_curves: set[str] = field(default_factory=set)
    _wanted_vectors: set[str] = field(default_factory=set)
    _strides: dict[str, int] = field(default_factory=dict)

    def want(self, *, curves: Iterable[str] = (), vectors: Iterable[str] = ()) -> None:
        """Read these from now on as well, and at once the first portion of what there is of them."""
        new_curves, new_vectors = set(curves) - self.curves.keys(), set(vectors) - self.vectors.keys()
        self._wanted_curves |= new_curves
        self._wanted_vectors |= new_vectors
        self._read_curves(new_curves)
        self._read_vectors(new_vectors)

    def update(self, *, vectors: Iterable[str] = VECTORS) -> set[str]:
        """Read what is new; returns the keys that have changed, and "events" where there were any."""
        self.behind = False
        changed = self._read_events()
        changed |= self._read_curves((*CURVES, *self._wanted_curves))
        if not self.layers:
            self.layers = tuple(self.store.layers(self.run))
        return changed | self._read_vectors((*vectors, *self._wanted_vectors))

    def _read_curves(self, keys: Iterable[str]) -> set[str]:
        changed = set()
        for key in keys:
            curve = self.curves.setdefault(key, Measured())
            steps, values = self.store.curve(self.run, key, after=curve.last_step, most=self.portion)
            if len(steps):
                curve.extend(steps, values)
                changed.add(key)
            self.behind = self.behind or len(steps) == self.portion
        return changed

    def _read_vectors(self, keys: Iterable[str]) -> set[str]:
        """Those that are there already by every `stride`-th row at first, then each one that comes."""
        changed: set[str] = set()
        most = self.portion // _ROWS if self.portion >= 0 else -1
        for key in keys if self.layers else ():
            if key not in self._strides:
                if self.behind and self.portion >= 0:
                    continue  # One thing after another.
                self.vectors[key] = Measured(len(self.layers), most=MOST_ROWS)
                self._strides[key] = _stride(self.store.vector_count(self.run, key))
            vector = self.vectors[key]
            for stride in sorted({self._strides[key], 1}, reverse=True):
                self._strides[key] = stride
                at, matrix = self.store.vectors(self.run, key, after=vector.last_step, stride=stride, most=most)
                if len(at):
                    vector.extend(at, matrix)
                    changed.add(key)
                if len(at) == most:
                    self.behind = True
                    break
        return changed

    def curve(self, key: str) -> Measured:
        """A curve; empty where nothing was measured."""
        return self.curves.get(key, Measured())

    def vector(self, key: str) -> Measured:
        """A vector; empty where nothing was measured."""
        return self.vectors.get(key, Measured(len(self.layers)))

    def _read_events(self) -> set[str]:
        changed = set()
        for seq, time, event in self.store.events(self.run, after_seq=self._cursor):
            self._cursor = seq
            self.events.append((time, event))
            changed.add("events")
            if isinstance(event, Rewound):
                changed |= self._rewind(event.step)
        return changed

    def _rewind(self, step: int) -> set[str]:
        """Forget what a resumed run measures again."""
        measured = {**self.curves, **self.vectors}
        for one in measured.values():
            one.cut(step)
        return set(measured)
