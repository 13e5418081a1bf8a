"""Room on the disk: asked for before a long job begins, and put into words where it runs out all the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from core.atomic import disk_is_full
from core.errors import UserError


def free(path: Path) -> int:
    """Bytes that are free where `path` is, or would be.

    Raises:
        UserError: nothing can be there: its drive, or the other machine that it lies on, is not there itself.
    """
    there = next((place for place in (path, *path.parents) if place.exists()), None)
    if there is None:
        raise UserError(f"There is no {path.anchor or path}.", hint="Choose another folder, or connect that disk.")
    return shutil.disk_usage(there).free


@contextmanager
def room_for(target: Path, needed: int, *, what: str) -> Iterator[None]:
    """Write `needed` bytes to `target` inside the block.

    Args:
        target: the folder to make; the block sees to it that nothing of it is left where it fails.
        needed: bytes.
        what: is written, for the sentence ("the export").

    Raises:
        UserError: there is too little room, before or on the way, or the disk refuses for another reason.
    """
    target = target.absolute()
    if free(target) < needed:
        raise _too_full(target, needed, what)
    try:
        yield
    except OSError as error:
        if disk_is_full(error):
            raise _too_full(target, needed, what) from error
        raise UserError(
            f"{error.filename or target} cannot be written: {error.strerror or error}.",
            hint="Choose a folder that you may write to; nothing has been left behind.",
        ) from error
    except SafetensorError as error:
        if disk_is_full(error):
            raise _too_full(target, needed, what) from error
        text = f"{target} cannot be written: {error}."
        raise UserError(text, hint="Choose another disk; nothing has been left behind.") from error


def _too_full(target: Path, needed: int, what: str) -> UserError:
    return UserError(
        f"There is no room for {what} in {target.parent}: it takes {needed:,} bytes and {free(target):,} are free.",
        hint="Make room or choose another disk; nothing has been left behind.",
    )
