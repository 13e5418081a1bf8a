"""A long array that grows, and moves to the disk when it gets too long for memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from core.errors import UserError

IN_MEMORY = 2**26
"""Bytes of an array that are held in memory; more of it goes to a temporary file, which is gone with the process."""
LASTING = Path("/var/tmp")
"""Where temporary files lie on the disk. The usual folder often is itself held in memory, where nothing is won."""


class Flat:
    """Numbers of one type, one after the other.

    Args:
        dtype: their type.
    """

    def __init__(self, dtype: DTypeLike) -> None:
        self.count = 0
        self._dtype = np.dtype(dtype)
        self._held = bytearray()
        self._file: IO[bytes] | None = None

    def extend(self, numbers: NDArray[Any]) -> None:
        """Put some more behind.

        Raises:
            UserError: they have to go to the disk, and it has no room.
        """
        self._held += numbers.astype(self._dtype, copy=False).tobytes()
        self.count += len(numbers)
        if len(self._held) > IN_MEMORY:
            self._put_away()

    def whole(self) -> NDArray[Any]:
        """All of them, (count,), read-only; mapped from the disk where they lie there. To be asked for once."""
        if self._file is None:
            whole = np.frombuffer(self._held, dtype=self._dtype)
            whole.flags.writeable = False
            return whole
        self._put_away()
        with self._file as file:  # the mapping keeps what it needs open
            return np.memmap(file, dtype=self._dtype, mode="r", shape=(self.count,))

    def _put_away(self) -> None:
        lasting = not os.environ.get("TMPDIR") and os.access(LASTING, os.W_OK)
        folder = LASTING if lasting else None
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="rankloom-", dir=folder)  # noqa: SIM115 - lives as the array
            self._file.write(self._held)
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"The tokens are too many for memory, and {folder or 'the folder of temporary files'} does not take "
                f"them: {error.strerror or error}.",
                hint="Make room there, or name a folder on another disk in the variable TMPDIR.",
                path="data.path",
            ) from error
        self._held.clear()
