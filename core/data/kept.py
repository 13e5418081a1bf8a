"""What a reading has found, kept in the home, so that data is parsed and tokenised once: for the check, and not again
for the worker, the next step of the preview or the verification of an export.

The tokens are kept as a table of Arrow, a row for each example, which the `datasets` library maps into memory: opening
it takes as long for a thousand gigabytes as for one, and no more of it is held than is looked at. A million rows of
question and answer are ready in seconds that took minutes to read.

Why are the rows themselves not loaded by that library? It brings each column to one type and keeps no lines: where one
row says a list, the word "42" of another comes back as a number; a date comes back as no word at all; arguments of
calls lose their order; the answers NA and None of a table are gone; one number of more than 64 bits, or an empty line,
can make it refuse a file (`tests/core/data/test_why_own_readers.py` shows each). All of that would be trained on. So
rows go once through readers of our own, which change nothing, know line and column, and take a fiftieth of the time:
4 of the 180 microseconds of a row of question and answer. Such a table of rows would take the room of the data once
more to save that. What is in columns already (Parquet, Arrow, a folder that `datasets` has saved) is mapped as it is.

An entry's key is a digest of everything that the result depends on: the data's bytes, the run's data section, the task,
the tokenizer, the templates, the versions of the libraries and this package's own source. It is worked out again each
time, so an entry is never taken for data that has changed.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.config.run import DataConfig
from core.data.example import Example, Turn
from core.data.files import Source, find
from core.data.formats import FORMATS
from core.data.guess import Guess
from core.data.places import Places
from core.data.reading import Limit, Reading
from core.data.shelf import Shelf
from core.data.template import Encoder
from core.data.tokens import TokenList
from core.saying import Say

SMALLEST = 2**20
"""Bytes of data that are read again as fast as anything could be looked up."""
LONGEST_LOOK = 2**29
"""Bytes of data above which a mere look is not kept: its key would take longer than the look."""
PIECE = 2**26
"""Bytes of data between two signs of life while its key is worked out."""
TABLE, FOUND = "examples.arrow", "found.json"
_LIBRARIES = ("transformers", "tokenizers", "jinja2", "datasets", "pyarrow", "numpy")
_ELSEWHERE = frozenset({
    "path", "held_out", "held_out_path", "labels", "overrides", "leave_out", "label_weights", "packing",
})  # fmt: skip
"""Fields of the data section that nothing in a reading depends on."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """Reads data by way of what is kept.

    Attributes:
        shelf: where.
        data: the run's.
        task: what it learns.
        encoder: what makes the tokens.
        limit: how much is read; None for all.
    """

    shelf: Shelf
    data: DataConfig
    task: str
    encoder: Encoder
    limit: Limit | None = None

    def read(self, path: str, progress: Say, read: Callable[[], Reading]) -> Reading:
        """What is found at a path: as it was kept, or by `read`, whose result is kept then.

        Raises:
            UserError: as `read` does.
        """
        source = find(path)
        if source.size < SMALLEST or (self.limit and source.size > LONGEST_LOOK):
            return read()
        try:
            seen, key = _seen(source), self._key(source, progress)
        except OSError:  # the reader can say which file it is
            return read()
        reading = self._opened(key)
        if reading is not None:
            progress("Taking the tokens that were kept", 1.0)
            return reading
        reading = read()
        one_each = len(reading.tokens) == reading.tokens.starts[-1]  # as lists and as numbers that would look alike
        if len(reading.tokens) and not one_each and _seen(source) == seen:
            self._keep(key, reading)
        return reading

    def _key(self, source: Source, progress: Say) -> str:
        """A digest of all that a reading depends on."""
        tokenizer = self.encoder.tokenizer
        templates = f"{self.encoder.chosen_template}{tokenizer.chat_template}"
        about = {
            "files": _contents(source, progress),
            "data": self.data.model_dump(mode="json", exclude=set(_ELSEWHERE)),
            "task": self.task,
            "limit": asdict(self.limit) if self.limit else None,
            "tokenizer": [
                type(tokenizer).__name__,
                tokenizer.backend_tokenizer.to_str(),
                str(tokenizer.chat_template),
                {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
                tokenizer.model_max_length,
                bool(getattr(tokenizer, "split_special_tokens", False)),
            ],
            "day": date.today().isoformat() if "strftime_now" in templates else "",
            "code": _code(),
        }
        return blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=20).hexdigest()

    def _opened(self, key: str) -> Reading | None:
        """What is kept under a key; an entry that cannot be read is thrown away."""
        entry = self.shelf.find(key)
        if entry is None:
            return None
        from pyarrow import ArrowException

        try:
            found = json.loads((entry / FOUND).read_text(encoding="utf-8"))
            return _reading(found, _tokens(entry / TABLE, found["lists"]))
        except (OSError, ValueError, LookupError, TypeError, ArrowException):
            self.shelf.drop(key)
            return None

    def _keep(self, key: str, reading: Reading) -> None:
        columns, lists = _columns(reading.tokens)
        try:
            found = json.dumps({**_found(reading), "lists": lists})
        except TypeError:  # something in the first rows that JSON does not know
            return

        def fill(entry: Path) -> None:
            _write_table(entry / TABLE, columns, reading.tokens)
            (entry / FOUND).write_text(found, encoding="utf-8")

        size = sum(column.nbytes for column in columns.values()) + len(found) + 2**16
        self.shelf.keep(key, size, fill)


def _seen(source: Source) -> list[tuple[str, int, int, int]]:
    """Names, sizes and times of the files, to notice when one changes while it is read."""
    try:
        return [(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino) for path, stat in _stats(source)]
    except OSError:  # one has gone
        return []


def _stats(source: Source) -> list[tuple[Path, Any]]:
    files = [inside for file in source.files for inside in ([file] if file.is_file() else sorted(file.rglob("*")))]
    return [(path, path.stat()) for path in files if path.is_file()]


def _contents(source: Source, progress: Say) -> list[tuple[str, str]]:
    """The files' names, as messages say them, with digests of all of their bytes."""
    found, seen = [], 0
    for path, _ in _stats(source):
        digest = blake2b()
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                seen += len(piece)
                progress("Looking whether the data has been read before", min(1.0, seen / max(1, source.size)))
        name = path.name if path == source.root else path.relative_to(source.root).as_posix()
        found.append((name, digest.hexdigest()))
    return [*found, *(("note", note) for note in source.notes)]


@cache
def _code() -> str:
    """A digest of the source that reads data, and of the libraries that it reads with."""
    digest = blake2b(" ".join(f"{name} {version(name)}" for name in _LIBRARIES).encode())
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _columns(tokens: TokenList) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of some examples by name, and beside them what is no array."""
    parts = tokens.parts()
    arrays = {name: part for name, part in parts.items() if isinstance(part, np.ndarray)}
    return arrays, {name: part for name, part in parts.items() if name not in arrays}


def _write_table(path: Path, columns: Mapping[str, NDArray[Any]], tokens: TokenList) -> None:
    """A table with a row for each example: numbers, and lists of numbers for its tokens."""
    import pyarrow

    starts = pyarrow.array(tokens.starts)
    arrays = {}
    for name, numbers in columns.items():
        flat = numbers.view(np.uint8) if numbers.dtype == np.bool_ else numbers
        values = pyarrow.array(flat.reshape(-1))
        if name == "starts":
            continue
        if numbers.ndim == 2:
            arrays[name] = pyarrow.FixedSizeListArray.from_arrays(values, numbers.shape[1])
        elif len(numbers) == len(tokens):
            arrays[name] = values
        else:
            arrays[name] = pyarrow.LargeListArray.from_arrays(starts, values)
    batch = pyarrow.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, batch.schema) as writer:
        writer.write_batch(batch)


def _tokens(path: Path, lists: Mapping[str, Any]) -> TokenList:
    """The examples of such a table, mapped."""
    import datasets

    table = datasets.Dataset.from_file(str(path)).data
    parts: dict[str, Any] = dict(lists)
    for name in table.column_names:
        (column,) = table.column(name).chunks
        if hasattr(column, "values"):
            values = column.values.to_numpy(zero_copy_only=True)
            if hasattr(column, "offsets"):
                parts["starts"] = column.offsets.to_numpy(zero_copy_only=True)
            else:
                values = values.reshape(len(column), -1)
            parts[name] = values.view(np.bool_) if values.dtype == np.uint8 else values
        else:
            parts[name] = column.to_numpy(zero_copy_only=True)
    return TokenList.of_parts(parts)


def _found(reading: Reading) -> dict[str, Any]:
    """All but the tokens, as JSON."""
    return {
        **{name: getattr(reading, name) for name in ("rows", "examples", "notes", "share", "chats", "labels")},
        "guess": {
            "kind": reading.guess.format.kind, "reason": reading.guess.reason, "chosen": reading.guess.chosen,
            "columns": dict(reading.guess.columns),
        },
        "first": [asdict(example) for example in reading.first],
        "oddities": {name: asdict(places) for name, places in reading.oddities.items()},
        "odd": {name: list(places) for name, places in reading.odd.items()},
        "near": reading.near.tobytes().hex(),
    }  # fmt: skip


def _reading(found: Mapping[str, Any], tokens: TokenList) -> Reading:
    guess = found["guess"]
    reading = Reading(
        Guess(FORMATS[guess["kind"]](), guess["reason"], guess["chosen"], guess["columns"]),
        tokens,
        [_example(each) for each in found["first"]],
        **{name: found[name] for name in ("rows", "examples", "share", "chats", "labels")},
        notes=tuple(found["notes"]),
        oddities={name: Places(**places) for name, places in found["oddities"].items()},
        odd={name: array("q", places) for name, places in found["odd"].items()},
    )
    reading.near.frombytes(bytes.fromhex(found["near"]))
    return reading


def _example(given: Mapping[str, Any]) -> Example:
    example = Example(**{**given, "turns": _turns(given["turns"]), "rejected": _turns(given["rejected"])})
    return replace(example, tools=tuple(example.tools), ids=tuple(example.ids), learned=tuple(example.learned))


def _turns(given: list[dict[str, Any]]) -> tuple[Turn, ...]:
    return tuple(Turn(**turn) for turn in given)
