"""Safetensors files read and written a tensor at a time.

    8 bytes  length of the header, little-endian
    header   JSON: {key: {dtype, shape, data_offsets: [begin, end)}}, offsets counted from the header's end
    data     the tensors, one behind the other, without gaps

The format is simple enough that a model of any size can be rewritten with one of its tensors in memory: what does
not change is copied from file to file, bytes as they are, and never becomes a tensor at all.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from core.errors import UserError
from core.models.headers import INDEX, WHOLE, read_folder, shards_of

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""The stored types that can be calculated with."""
SHARD_BYTES = 5_000_000_000
CHUNK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor where it lies on disk.

    Attributes:
        key: its name in the file.
        dtype: its type as the format spells it (`BF16`).
        shape: as stored.
        file: which file holds it.
        begin: first byte, counted from the start of the file.
        size: in bytes.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    begin: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, a few megabytes at a time."""
        left = self.size
        with self.file.open("rb") as file:
            file.seek(self.begin)
            while left:
                chunk = file.read(min(left, CHUNK_BYTES))
                if not chunk:
                    raise self._cut_short()
                left -= len(chunk)
                yield chunk

    def read(self) -> Tensor:
        """The tensor itself.

        Raises:
            UserError: it is stored in a form that cannot be calculated with, as quantised weights are.
        """
        if self.dtype not in DTYPES:
            raise UserError(
                f"{self.key} is stored as {self.dtype} in {self.file.name}, which nothing can be merged into.",
                hint="Export the adapter instead, or train on the unquantised model.",
            )
        buffer = bytearray(self.size)  # filled in place: a weight may be as large as what is left of the memory
        with self.file.open("rb") as file:
            file.seek(self.begin)
            if file.readinto(buffer) < self.size:
                raise self._cut_short()
        return torch.frombuffer(buffer, dtype=DTYPES[self.dtype]).reshape(self.shape)

    def _cut_short(self) -> UserError:
        return UserError(f"{self.file} ends in the middle of {self.key}.", hint="Fetch the file again.")


def stored_tensors(folder: Path) -> dict[str, Stored]:
    """Every tensor of a model folder by key, in the order of its files.

    Raises:
        UserError: the folder has no safetensors weights, or they are not whole.
    """
    read_folder(folder)  # says in words whatever is wrong with the files
    return {tensor.key: tensor for file in weight_files(folder) for tensor in places(file)}


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's weights: those of its index, or the single one."""
    return [folder / name for name in sorted(shards_of(folder))]


def places(file: Path) -> list[Stored]:
    """The tensors of one sound file, in the order of their bytes."""
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        said = json.loads(opened.read(length))
    said.pop("__metadata__", None)
    rows = [
        Stored(key, row["dtype"], tuple(row["shape"]), file, 8 + length + begin, end - begin)
        for key, row in said.items()
        for begin, end in [row["data_offsets"]]
    ]
    return sorted(rows, key=lambda tensor: tensor.begin)


def plan(tensors: Sequence[Stored], *, shard_bytes: int = SHARD_BYTES) -> dict[str, list[Stored]]:
    """Divide tensors among files of at most `shard_bytes` each (a larger tensor gets one of its own), by file name."""
    groups: list[list[Stored]] = [[]]
    room = shard_bytes
    for tensor in tensors:
        if groups[-1] and tensor.size > room:
            groups.append([])
            room = shard_bytes
        groups[-1].append(tensor)
        room -= tensor.size
    if len(groups) == 1:
        return {WHOLE: groups[0]}
    return {f"model-{i:05}-of-{len(groups):05}.safetensors": group for i, group in enumerate(groups, 1)}


def write(
    folder: Path,
    files: Mapping[str, Sequence[Stored]],
    changed: Mapping[str, Callable[[Stored], Tensor]],
    tick: Callable[[Stored], None],
) -> None:
    """Write planned files into a folder, with their index where there are several.

    Args:
        folder: exists already.
        files: file name to its tensors.
        changed: keys whose tensors are worked out anew, same shape and dtype; all others are copied.
        tick: called before each tensor; may raise to end the job.
    """
    for name, tensors in files.items():
        # Wide types first: every tensor then begins on a multiple of its own item size, as readers that map expect.
        ordered = sorted(tensors, key=lambda tensor: -(tensor.size // max(1, torch.Size(tensor.shape).numel())))
        with (folder / name).open("wb") as file:
            file.write(_header(ordered))
            for tensor in ordered:
                tick(tensor)
                _write_one(file, tensor, changed.get(tensor.key))
    if len(files) > 1:
        _write_index(folder, files)


def _header(tensors: Sequence[Stored]) -> bytes:
    ends = list(accumulate((tensor.size for tensor in tensors), initial=0))
    rows = {
        tensor.key: {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": list(span)}
        for tensor, span in zip(tensors, pairwise(ends), strict=True)
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **rows}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _write_one(file: BinaryIO, tensor: Stored, change: Callable[[Stored], Tensor] | None) -> None:
    if change is None:
        for chunk in tensor.chunks():
            file.write(chunk)
        return
    value = change(tensor).contiguous()
    if value.dtype != DTYPES[tensor.dtype] or tuple(value.shape) != tensor.shape:
        raise ValueError(f"{tensor.key} must stay {tensor.dtype} {tensor.shape}, not {value.dtype} {value.shape}.")
    file.write(value.view(torch.uint8).numpy().data)


def _write_index(folder: Path, files: Mapping[str, Sequence[Stored]]) -> None:
    total = sum(tensor.size for tensors in files.values() for tensor in tensors)
    weight_map = {tensor.key: name for name, tensors in files.items() for tensor in tensors}
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
