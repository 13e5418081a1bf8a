"""How much memory a run has taken, and what to say when there is not enough."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from core.errors import UserError

HINT = (
    "Lower train.batch (and raise train.accumulate to keep the same step), shorten data.max_tokens, or switch on "
    "train.gradient_checkpointing; fewer layers, a lower rank or a smaller model help too."
)


def peak(device: torch.device) -> int:
    """The most bytes held so far: of the GPU where there is one, else resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn every way of running out of memory into one sentence.

    Args:
        doing: what was going on, for the sentence ("in step 12").

    Raises:
        UserError: memory ran out inside the block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        where = "The GPU's memory" if isinstance(error, torch.OutOfMemoryError) or "MPS" in str(error) else "Memory"
        raise UserError(f"{where} ran out {doing}.", hint=HINT, path="train.batch") from error


def out_of_memory(error: BaseException) -> bool:
    """Whether that is it: torch has a class for CUDA, a plain RuntimeError for the processor and for Apple GPUs."""
    said = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        words in said for words in ("can't allocate memory", "not enough memory", "MPS backend out of memory")
    )
