"""Turn a GGUF file into a folder that can be trained: de-quantised weights, configuration, tokenizer, chat template.

Done once per file, by a worker, tensor by tensor, with a shard of weights in memory at a time. What comes out is not
the original checkpoint: the numbers are those of the quantised file, and the folder's README says so. `transformers`
has a reader of its own, which takes several times as long, holds the whole model in memory, and cuts numbers and code
otherwise than the original tokenizer; here it serves as the judge in the tests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file

from core import atomic
from core.errors import UserError
from core.home import Home
from core.lock import FileLock
from core.models.conversion import converted, fingerprint, folder_for
from core.models.families import family_of
from core.models.folder import SOURCE
from core.models.gguf_config import config_of
from core.models.gguf_describe import ALMOST_EXACT, describe_gguf, dtype_of
from core.models.gguf_header import TYPES, GgufHeader, GgufTensor, read_gguf
from core.models.gguf_names import Architecture, architecture_of
from core.models.gguf_tokenizer import tokenizer_of
from core.models.headers import INDEX, WHOLE
from core.room import room_for
from core.saying import Say, silent

if TYPE_CHECKING:
    from torch import Tensor


SHARD = 2_000_000_000
"""Bytes of weights in a file, and so about the most that is in memory at once."""
CHUNK = 1 << 23
"""Numbers that are de-quantised in one go: 32 MB of float32."""
SPARE = 1.02
"""How much more room than the weights alone must be free."""


def convert_job(home: Home, body: dict[str, Any], progress: Say) -> dict[str, Any]:
    """The service's entry for the job `convert`: `{path}` in, `{path}` of the folder out."""
    return {"path": str(convert(home, Path(body["path"]), progress))}


def convert(home: Home, path: Path, tell: Say = silent) -> Path:
    """The trainable folder of a GGUF file, made now if it has not been before.

    Args:
        home: the folder goes into its `models`.
        path: the GGUF file.
        tell: told what is done and how much of it; may raise `Cancelled`, which leaves nothing behind.

    Raises:
        UserError: the file is damaged or of an unknown architecture, or there is no room.
    """
    done = converted(home, path)
    if done:
        return done
    tell("Reading the GGUF file", 0.0)
    describe_gguf(path)
    header = read_gguf(path, lists=True)
    architecture = architecture_of(header.architecture, str(path))
    dtype = target_dtype(header)
    home.models.mkdir(parents=True, exist_ok=True)
    with _alone(home, tell):
        done = converted(home, path)
        if done:
            return done
        target = folder_for(home, path)
        needed = int(sum(tensor.numel for tensor in header.tensors.values()) * dtype.itemsize * SPARE)
        whole = f"the folder that {path.name} is turned into"
        with room_for(target, needed, what=whole), atomic.new_folder(target, replace=True) as folder:
            _convert(header, architecture, dtype, folder, tell)
            _write_notes(header, dtype, folder)
            tell("Writing the last bytes", 1.0)
    return target


@contextmanager
def _alone(home: Home, tell: Say) -> Iterator[None]:
    """One conversion at a time: a preview and a training that begin together must not write one folder twice."""
    lock = FileLock(home.root / "convert.lock")
    while not lock.acquire(patience=0.5):
        tell("Waiting for another conversion", None)
    try:
        yield
    finally:
        lock.release()


def target_dtype(header: GgufHeader) -> torch.dtype:
    """What the weights are written as: float16 holds every quantised format's numbers best in 2 bytes.

    bfloat16 stays itself, float32 too; Gemma's numbers outgrow float16 while it computes.
    """
    if "gemma" in header.architecture:
        return torch.bfloat16
    return {"F32": torch.float32, "BF16": torch.bfloat16}.get(dtype_of(header), torch.float16)


def _convert(header: GgufHeader, architecture: Architecture, dtype: torch.dtype, folder: Path, tell: Say) -> None:
    """Configuration and tokenizer first, since they are quick to fail; then the weights."""
    view = np.memmap(header.path, dtype=np.uint8, mode="r")
    given = header.tensors.get("rope_freqs.weight")
    frequencies = _numbers(view, given).numpy() if given else None
    config = config_of(header, architecture, dtype=str(dtype).removeprefix("torch."), frequencies=frequencies)
    tokenizer = tokenizer_of(header, context=header.of("context_length"))
    names = _names(header, architecture)
    _write_shards(header, names, dtype, folder, view, tell)
    _write_json(folder / "config.json", config)
    generation = {key: value for key, value in config.items() if key.endswith("_token_id")}
    _write_json(folder / "generation_config.json", generation)
    tokenizer.save_pretrained(folder)
    _name_portably(folder / "tokenizer_config.json")


def _name_portably(path: Path) -> None:
    """Name the tokenizer's class as every version of transformers knows it."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    _write_json(path, {**settings, "tokenizer_class": "PreTrainedTokenizerFast"})


def _names(header: GgufHeader, architecture: Architecture) -> dict[str, str]:
    """The file's names to those of transformers, for every tensor that the model has.

    Raises:
        UserError: the file has tensors that this architecture has no place for, so something would be lost.
    """
    names = {given: architecture.name(given) for given in header.tensors if given != "rope_freqs.weight"}
    strange = sorted(given for given, name in names.items() if name is None)
    if strange:
        raise UserError(
            f"{header.path} holds {strange[0]}, which a {header.architecture} model has no place for.",
            hint="Choose the model's original folder instead.",
        )
    return {given: name for given, name in names.items() if name}


def _write_shards(
    header: GgufHeader,
    names: dict[str, str],
    dtype: torch.dtype,
    folder: Path,
    view: np.ndarray,
    tell: Say,
) -> None:
    """model.safetensors, or several shards and their index."""
    shards = list(_plan(header, names, dtype))
    total, done = sum(header.tensors[given].numel for given in names), 0
    places: dict[str, str] = {}
    size = 0
    for number, shard in enumerate(shards, start=1):
        file = WHOLE if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        weights = {}
        for given in shard:
            tell(f"De-quantising {names[given]}", done / total)
            source = header.tensors[given]
            plain = _numbers(view, source, dtype if len(source.shape) > 1 else torch.float32)
            weights[names[given]] = _restore(plain, given, header).to(dtype)
            done += source.numel
        save_file(weights, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(weights, file)
        size += sum(tensor.nbytes for tensor in weights.values())
    if len(shards) > 1:
        _write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))})


def _plan(header: GgufHeader, names: dict[str, str], dtype: torch.dtype) -> Iterator[list[str]]:
    """The file's names in groups that fill a shard each."""
    shard: list[str] = []
    room = SHARD
    for given in names:
        size = header.tensors[given].numel * dtype.itemsize
        if shard and size > room:
            yield shard
            shard, room = [], SHARD
        shard.append(given)
        room -= size
    yield shard


def _numbers(view: np.ndarray, tensor: GgufTensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """One tensor of the file as plain numbers, de-quantised some rows at a time."""
    import gguf

    rows, width = (tensor.numel // tensor.shape[-1], tensor.shape[-1]) if tensor.shape else (1, 1)
    raw = view[tensor.start : tensor.start + tensor.bytes].reshape(rows, -1)
    kind = gguf.GGMLQuantizationType(tensor.type)
    out = torch.empty((rows, width), dtype=dtype)
    step = max(1, CHUNK // width)
    for row in range(0, rows, step):
        try:
            plain = gguf.dequantize(raw[row : row + step], kind)
        except NotImplementedError:
            name = TYPES[tensor.type][0]
            raise UserError(f"The weights are stored as {name}, which cannot be turned into numbers.") from None
        out[row : row + step] = torch.from_numpy(np.array(plain, dtype=np.float32)).reshape(-1, width)
    return out.reshape(tensor.shape)


def _restore(tensor: Tensor, given: str, header: GgufHeader) -> Tensor:
    """Undo what llama.cpp's converter did to the numbers; the shape is then that of transformers."""
    architecture = architecture_of(header.architecture, str(header.path))
    part = given.split(".")[-2]
    if architecture.norm_offset and part.endswith("norm"):
        return tensor - architecture.norm_offset
    if architecture.rotated and part in ("attn_q", "attn_k"):
        return _unrotate(tensor, header.of(f"attention.head_count{'_kv' if part == 'attn_k' else ''}"))
    if given.startswith("blk.") and tensor.ndim == 2 and family_of(architecture.model_type).kind == "conv1d":
        return tensor.T.contiguous()
    return tensor


def _unrotate(tensor: Tensor, heads: int) -> Tensor:
    """Put the rows of q or k back: llama.cpp keeps the two halves of a rotated pair side by side.

    Rows (heads, head_dim / 2, 2) become (heads, 2, head_dim / 2); weights (rows, in) and biases (rows,) alike.
    """
    pairs = tensor.reshape(heads, tensor.shape[0] // heads // 2, 2, *tensor.shape[1:])
    return pairs.transpose(1, 2).reshape(tensor.shape).contiguous()


def _write_notes(header: GgufHeader, dtype: torch.dtype, folder: Path) -> None:
    """Where the folder comes from: for people (README.md) and for programs (source.json)."""
    weights = dtype_of(header)
    name = header.fields.get("general.name") or header.path.stem
    licence = header.fields.get("general.license")
    exact = weights in ALMOST_EXACT
    what = f"{weights} weights" if exact else f"a quantised model ({weights})"
    end = "" if exact else " It is not the original checkpoint: what quantisation lost stays lost."
    lines = [
        f"# {name}, from a GGUF file",
        "",
        f"De-quantised from `{header.path.name}`, {what}, into {str(dtype).removeprefix('torch.')}.{end}",
        *(["", f"Licence, as the file states it: {licence}."] if licence else []),
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    stat = header.path.stat()
    source = {
        "file": header.path.name,
        "bytes": stat.st_size,
        "modified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stat.st_mtime)),
        "fingerprint": fingerprint(header.path),
        "weights": weights,
        "exact": exact,
    }
    _write_json(folder / SOURCE, source)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
