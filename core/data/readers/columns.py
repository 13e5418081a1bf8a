"""Tables in columns: Parquet, Arrow, and the folders that the `datasets` library saves. They are mapped, not loaded.

pyarrow and datasets are imported when the first such file is opened: the window never needs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.data.example import place
from core.data.row import Position, Row
from core.errors import UserError

BATCH = 256
"""Rows turned into Python values at once."""
SAVED, SPLITS = "state.json", "dataset_dict.json"
"""What lies in a folder that `datasets` has saved: one table, or several under names."""


def parquet_rows(path: Path, name: str, position: Position) -> Iterator[Row]:
    """The rows of a Parquet file.

    Raises:
        UserError: the file is damaged, or no Parquet file.
    """
    from pyarrow import parquet

    with readable(name), parquet.ParquetFile(path, memory_map=True) as file:
        yield from _rows(file.iter_batches(batch_size=BATCH), file.metadata.num_rows, path, name, position)


def arrow_rows(path: Path, name: str, position: Position) -> Iterator[Row]:
    """The rows of an Arrow file, whether written as a file or as a stream.

    Raises:
        UserError: the file is damaged, or no Arrow file.
    """
    import pyarrow

    with readable(name), pyarrow.memory_map(str(path)) as source:
        start = source.read(6)
        source.seek(0)
        opened = pyarrow.ipc.open_file(source) if start == b"ARROW1" else pyarrow.ipc.open_stream(source)
        table = opened.read_all()
        yield from _rows(table.to_batches(max_chunksize=BATCH), table.num_rows, path, name, position)


def saved_rows(folder: Path, name: str, position: Position) -> Iterator[Row]:
    """The rows of a folder that `datasets` has saved; class numbers come as the names that it keeps for them.

    Raises:
        UserError: the folder is damaged.
    """
    import datasets

    try:
        with readable(name, FileNotFoundError, ValueError, KeyError, TypeError):
            table = datasets.Dataset.load_from_disk(str(folder), keep_in_memory=False)
    except IndexError:  # a table of no rows is saved as no file, which cannot be opened again
        return
    names = {
        column: feature.names for column, feature in table.features.items() if isinstance(feature, datasets.ClassLabel)
    }
    before, size = position.done, folder_size(folder)
    with readable(name):
        for start in range(0, len(table), BATCH):
            part = table.with_format("arrow")[start : start + BATCH]
            for number, value in enumerate(_values(part, name, start + 1), start=start + 1):
                yield Row(name, number, {key: _named(each, names.get(key)) for key, each in value.items()})
            position.done = before + size * min(len(table), start + BATCH) // len(table)


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _named(value: Any, names: list[str] | None) -> Any:
    return names[value] if names and isinstance(value, int) and 0 <= value < len(names) else value


def _rows(batches: Any, total: int, path: Path, name: str, position: Position) -> Iterator[Row]:
    before, size, number = position.done, path.stat().st_size, 0
    for batch in batches:
        for value in _values(batch, name, number + 1):
            number += 1
            yield Row(name, number, value)
        position.done = before + size * number // max(1, total)


def _values(part: Any, name: str, first: int) -> list[dict[str, Any]]:
    """The rows of a part of a table.

    Args:
        part: a batch or a table.
        name: of the file.
        first: the number of the part's first row.

    Raises:
        UserError: a value is none that Python has; with its row and column.
    """
    try:
        rows: list[dict[str, Any]] = part.to_pylist()
        return rows
    except (ValueError, OverflowError):
        for column in part.column_names:
            for number, value in enumerate(part.column(column), start=first):
                _check(value, column, place(name, number))
        raise


def _check(value: Any, column: str, where: str) -> None:
    try:
        value.as_py()
    except (ValueError, OverflowError) as error:
        what = "text that is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"a {value.type} out of range"
        text = f"{where}: the column '{column}' has {what}."
        raise UserError(text, hint="Write the column again, or leave it out of the file.", path="data.path") from None


@contextmanager
def readable(name: str, *more: type[Exception]) -> Iterator[None]:
    """What pyarrow says of a damaged file, as a sentence."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, *more) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"{name} cannot be read: {why[:200]}.", hint="The file is damaged or of another kind.", path="data.path"
        ) from None
