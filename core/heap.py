"""What becomes of memory that this process frees: kept for what comes next, or given back to the system.

A training step frees what the next one asks for again. Linux's usual C library gives such memory back as soon as enough
of it lies free, and the system hands it out anew page by page, each filled with zeros: a twentieth of a step of DoRA, a
tenth of a short one. Other systems' libraries are left to themselves.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`: how many bytes may lie free at the end, and how large a block is the system's."""
NEVER, LARGEST = 2**31 - 1, 32 << 20
"""As much as the first can be, and the second."""


def keep() -> None:
    """Keep what is freed from now on, where the C library has a say in it."""
    if (library := _glibc()) is not None:
        library.mallopt(TRIM_THRESHOLD, NEVER)
        library.mallopt(MMAP_THRESHOLD, LARGEST)


def give_back() -> None:
    """Give back what lies free, before the process rests."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, where it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
