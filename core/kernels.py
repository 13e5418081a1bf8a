"""bitsandbytes, where it is installed and works: kernels for codes of 4 bits and optimizers with small state.

It is imported late and here alone: that takes a second, looks for a CUDA library that many machines lack, and says on
the way what concerns nobody who only wants to train.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from functools import cache
from types import ModuleType


def installed() -> bool:
    """Whether bitsandbytes is there, without importing it."""
    return importlib.util.find_spec("bitsandbytes") is not None


@cache
def bitsandbytes() -> ModuleType | None:
    """The library; None where it is not installed or cannot be loaded."""
    if not installed():
        return None
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import bitsandbytes as library
        except (ImportError, OSError, RuntimeError):
            return None
    return library  # type: ignore[no-any-return]


@cache
def on_processor() -> ModuleType | None:
    """The library, where it has kernels for the processor as well; without them its own way is slower than ours."""
    library = bitsandbytes()
    parts = getattr(library, "cextension", None)
    # Where nothing compiled could be loaded a stand-in is, which says yes to every name and raises when it is called.
    if parts is None or isinstance(parts.lib, parts.ErrorHandlerMockBNBNativeLibrary):
        return None
    return library if hasattr(parts.lib, "cdequantize_blockwise_cpu_nf4_fp32") else None
