"""What is in a folder of safetensors files, read from their headers alone.

A safetensors file begins with 8 bytes (the length of what follows, little endian) and a JSON object of tensor name to
dtype, shape and place. That is all the map of a model needs, so 140 GB of weights are listed in milliseconds,
without torch. Everything is checked here that can be checked without reading weights: a file cut short by a full disk
or a broken download is found when the model is picked, not after an hour of setting up a run.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UserError

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
LARGEST_HEADER = 100_000_000  # bytes; the format's own limit
BITS: dict[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "I64": 64, "U64": 64,
    "F64": 64,
}  # fmt: skip
"""Size of one number of every dtype that the format has."""
NAMES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
"""What people call the dtypes that a model may be trained from."""
AGAIN = "Download or copy the model again: the file is not whole."


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """One tensor of a file: `dtype` as the format writes it (`BF16`), `shape` as stored, `bytes` on the disk."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def numel(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def read_headers(path: Path) -> dict[str, TensorHeader]:
    """Every tensor of one safetensors file, by name.

    Raises:
        UserError: the file is cut short, or is no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if length == 0 or length > LARGEST_HEADER:
                raise UserError(_first_bytes(path, size, start), hint=AGAIN)
            if size < 8 + length:
                raise UserError(f"{path} is cut short: {size:,} bytes are less than its header alone.", hint=AGAIN)
            text = file.read(length)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    return _tensors(path, text, room=size - 8 - length)


def _first_bytes(path: Path, size: int, start: bytes) -> str:
    """The sentence for a file that does not begin as it must."""
    if size == 0:
        return f"{path} is empty."
    if start.startswith(b"version "):
        return f"{path} is a Git LFS pointer, not the weights themselves."
    return f"{path} is no safetensors file: its first bytes are not the length of a header."


def _tensors(path: Path, text: bytes, *, room: int) -> dict[str, TensorHeader]:
    """The header's JSON, checked against the `room` bytes that follow it."""
    try:
        listed = json.loads(text)
        found = {name: _tensor(entry) for name, entry in listed.items() if name != "__metadata__"}
        ends = [entry["data_offsets"][1] for name, entry in listed.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise UserError(f"{path} is damaged: its header cannot be read.", hint=AGAIN) from None
    needed = max(ends, default=0)
    if needed > room:
        raise UserError(
            f"{path} is cut short: {needed - room:,} of its {needed:,} bytes of weights are missing.", hint=AGAIN
        )
    if needed != room or sum(tensor.bytes for tensor in found.values()) != needed:
        raise UserError(f"{path} is damaged: its tensors do not fill the file.", hint=AGAIN)
    return found


def _tensor(entry: dict[str, Any]) -> TensorHeader:
    """One entry of the header; a ValueError where its places and its shape disagree."""
    shape = tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if not all(type(number) is int for number in (*shape, begin, end)):
        raise ValueError("shape and offsets are whole numbers")
    if min(shape, default=0) < 0 or begin < 0 or math.prod(shape) * BITS[entry["dtype"]] != (end - begin) * 8:
        raise ValueError("shape and offsets disagree")
    return TensorHeader(dtype=entry["dtype"], shape=shape, bytes=end - begin)


def read_folder(folder: Path) -> dict[str, TensorHeader]:
    """Every tensor of a model's folder, over all its shards.

    Raises:
        UserError: there are no weights here, a shard is missing or damaged, or two files hold the same tensor.
    """
    found: dict[str, TensorHeader] = {}
    for shard, expected in shards_of(folder).items():
        tensors = read_headers(folder / shard)
        lost = sorted(expected - tensors.keys())
        if lost:
            raise UserError(f"{folder / shard} lacks the tensor {lost[0]} that {INDEX} promises.", hint=AGAIN)
        twice = sorted(found.keys() & tensors.keys())
        if twice:
            raise UserError(
                f"{folder / shard} holds {twice[0]} a second time.", hint="Remove the file that is too many."
            )
        found |= tensors
    return found


def shards_of(folder: Path) -> dict[str, set[str]]:
    """The files of a folder's weights: name to the tensors that the index promises in it, or the one whole file.

    Raises:
        UserError: there are no weights here, or a shard is missing.
    """
    index = folder / INDEX
    if (folder / WHOLE).is_file() and not index.is_file():
        return {WHOLE: set()}
    if index.is_file():
        return _indexed(folder, index)
    if os.path.lexists(folder / WHOLE):
        raise UserError(f"{folder / WHOLE} is {_no_file(folder / WHOLE)}.", hint=AGAIN)
    loose = sorted(path.name for path in folder.glob("*.safetensors"))
    if not loose:
        raise UserError(f"{folder} holds no weights: there is no *.safetensors file in it.", hint=_instead(folder))
    raise UserError(
        f"{folder} holds {loose[0]}, but neither {WHOLE} nor {INDEX}.",
        hint=f"Name a single file {WHOLE}; several shards need their index, which comes with the model.",
    )


def _no_file(path: Path) -> str:
    """What is there instead of a file."""
    return "a folder, not a file" if path.is_dir() else "a link to a file that is not there"


def _indexed(folder: Path, index: Path) -> dict[str, set[str]]:
    """The shards that the index names, each of which must be there."""
    try:
        places: dict[str, str] = dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        names = {name: Path(str(shard)).name for name, shard in places.items()}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{index} is damaged: it does not say which shard holds which tensor.", hint=AGAIN) from None
    shards: dict[str, set[str]] = {}
    for name, shard in names.items():
        shards.setdefault(shard, set()).add(name)
    missing = [shard for shard in sorted(shards) if not (folder / shard).is_file()]
    if missing:
        listed = missing[0] if len(missing) == 1 else f"{missing[0]} and {len(missing) - 1} more"
        raise UserError(f"{folder} lacks {listed} of {len(shards)} shards.", hint="Download the model again.")
    return shards


def _instead(folder: Path) -> str:
    """What to do in a folder without safetensors files: it depends on what is there."""
    if any(folder.glob("*.gguf")):
        return "There is a GGUF file in it: choose that file itself."
    if any(path for pattern in ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt") for path in folder.glob(pattern)):
        return (
            "It has pickled weights (.bin, .pt), which can run any program when they are opened, so they never are. "
            "Most models come as safetensors too: take those."
        )
    return "Choose the folder that holds config.json and the weights."
