"""An array that grows at its end without being built again, and is given out as a view."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Growing:
    """Rows of one width, appended in amortised constant time: the room doubles when it is full.

    Args:
        dtype: of the numbers.
        width: columns of a row; None for plain numbers.
    """

    def __init__(self, dtype: DTypeLike, width: int | None = None) -> None:
        self._room: NDArray[Any] = np.empty((64,) if width is None else (64, width), dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def view(self) -> NDArray[Any]:
        """What has been appended, without copying; valid until the next change."""
        return self._room[: self._size]

    def extend(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        needed = self._size + len(rows)
        if needed > len(self._room):
            larger = np.empty((max(needed, 2 * len(self._room)), *self._room.shape[1:]), self._room.dtype)
            larger[: self._size] = self.view
            self._room = larger
        self._room[self._size : needed] = rows
        self._size = needed

    def cut(self, size: int) -> None:
        """Keep only the first `size` rows."""
        self._size = min(self._size, size)
