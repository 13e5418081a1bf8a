"""What was dropped on the window or chosen: which files, and whether they are model, data, adapter or run file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QUrl

from core.data.readers import KNOWN
from core.data.readers import kind_of as reader_of
from core.errors import UserError

ADAPTER_CONFIG = "adapter_config.json"
"""What a folder of PEFT's holds that is an adapter."""
OFFERS = {
    "model": "Drop to use as the model",
    "data": "Drop to use as the data",
    "adapter": "Drop to import the adapter",
    "run file": "Drop to open the run file",
}
"""Kind of path to what dropping it does."""


def files(urls: Sequence[QUrl]) -> list[Path]:
    """Those that are on this machine."""
    return [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]


def kind_of(path: Path) -> str | None:
    """What a path is, as `OFFERS` names it; None where it is none of them."""
    if path.is_dir():
        return _kind_of_folder(path)
    match path.suffix.lower():
        case ".gguf":
            return "model"
        case ".yaml" | ".yml":
            return "run file"
    return "data" if reader_of(path) is not None else None


def unknown(path: Path) -> UserError:
    """Why something that is none of them cannot be used."""
    if not path.exists():
        return UserError(f"There is nothing at {path} any more.", hint="Open it where it is now.")
    return UserError(
        f"{path.name} is neither a model nor data nor a run file.",
        hint=f"A model is a folder or a .gguf file, a run file ends in .yaml; data is a file of the kinds {KNOWN}.",
    )


def _kind_of_folder(folder: Path) -> str:
    """Data where there are files of examples and nothing of a model; what cannot be looked into is called a model."""
    try:
        inside = list(folder.iterdir())
    except OSError:
        return "model"
    names = {one.name for one in inside}
    if ADAPTER_CONFIG in names and "config.json" not in names:
        return "adapter"
    if "config.json" in names or "snapshots" in names or any(name.endswith(".safetensors") for name in names):
        return "model"
    return "data" if any(one.is_file() and reader_of(one) is not None for one in inside) else "model"
