"""Where the folder of a converted GGUF file lies, and whether it is there: torch-free, so that the window can ask.

A conversion is found again by what the file holds, not by where it lies or when it was written: its length and its two
ends, which carry the metadata and the last weights. So a model that was moved is not converted twice, and another file
under the same name is not taken for the old one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.errors import UserError
from core.home import Home

END = 1 << 20
"""Bytes at either end of the file that are looked at."""
FORMAT = 1
"""Raised when conversions made by older versions must be made again."""


def fingerprint(path: Path) -> str:
    """64 hexadecimal digits that are the same for the same contents.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(f"{FORMAT} {size} ".encode())
        with path.open("rb") as file:
            digest.update(file.read(END))
            file.seek(max(0, size - END))
            digest.update(file.read(END))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    return digest.hexdigest()


def folder_for(home: Home, path: Path) -> Path:
    """The folder that a GGUF file is, or will be, converted into."""
    return home.models / f"{path.stem[:80]}-{fingerprint(path)[:8]}"


def converted(home: Home, path: Path) -> Path | None:
    """The converted folder of a GGUF file, if it has been made."""
    folder = folder_for(home, path)
    return folder if (folder / "config.json").is_file() else None
