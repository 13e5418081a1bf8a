"""From a data path to rows: a file, a folder of files, or a folder that the `datasets` library has saved.

A row's number is its line in the file, because that is where an editor finds it (in arrays and tables its place). Every
complaint names file, row and, where it is known, column. A folder is all the files of one kind in it, in the order of
their names; files that are named as the test or validation part are never trained on by accident.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.data.readers import GZIP, KINDS, KNOWN, kind_of
from core.data.readers.columns import SAVED, SPLITS, folder_size, saved_rows
from core.data.row import Position, Row
from core.errors import UserError
from core.paths import typed

HELD_BACK = re.compile(r"(?:^|[-_.])(test|validation|valid|val|dev|eval)(?![a-z])", re.IGNORECASE)
TRAIN = re.compile(r"(?:^|[-_.])train(?![a-z])", re.IGNORECASE)
"""What the names of files or folders of a split data set have in them."""
NO_DATA = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json"})
"""Files beside data that say something about it."""


@dataclass
class Source:
    """The files behind a data path, and how far they have been read.

    Attributes:
        root: what the user named.
        files: what is read, in order; a folder in it is one that `datasets` has saved.
        notes: what the user should know about the choice of files.
        position: how far the reading is.
    """

    root: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    position: Position = field(default_factory=Position)

    @property
    def size(self) -> int:
        """Bytes in all of the files."""
        return self.position.size

    @property
    def done(self) -> int:
        """Bytes read so far; `done / size` is the progress."""
        return self.position.done

    def rows(self) -> Iterator[Row]:
        """Every row of every file.

        Raises:
            UserError: a file cannot be read, or holds no rows, at the place that it names.
        """
        self.position.done = 0
        for file in self.files:
            name = file.name if file == self.root else file.relative_to(self.root).as_posix()
            kind = None if file.is_dir() else kind_of(file)
            read = saved_rows if kind is None else kind.read
            empty = True
            for row in read(file, name, self.position):
                empty = False
                yield row
            if empty:
                hint = "Choose another file." if file == self.root else "Take it out of the folder."
                raise UserError(f"{name} is empty: there is no row in it.", hint=hint, path="data.path")


def find(path: str | Path) -> Source:
    """The data files at a path: itself, or those of a folder.

    Raises:
        UserError: nothing is there, or nothing that can be read.
    """
    if not str(path):
        raise UserError("No data has been chosen.", hint="Choose a file or a folder.", path="data.path")
    root = typed(path)
    if root.is_dir():
        try:
            return _folder(root)
        except OSError as error:
            text = f"{root} cannot be read whole: {error.strerror} ({error.filename})."
            raise UserError(text, hint="What lies in it would be left out unnoticed.", path="data.path") from None
    if not root.exists():
        raise UserError(f"There is no data at {root}.", hint="Check the path.", path="data.path")
    if not root.is_file():
        raise UserError(f"{root} is a pipe or a device.", hint="Choose a file or a folder.", path="data.path")
    if kind_of(root) is None:
        ending = "".join(root.suffixes[-2:]) if root.suffix == GZIP else root.suffix
        kind = f"'{ending}' files" if ending else "files without an ending"
        raise UserError(f"{root.name}: {kind} cannot be read as data.", hint=f"Use {KNOWN}.", path="data.path")
    return Source(root, (root,), position=Position(root.stat().st_size))


def _folder(root: Path) -> Source:
    if (root / SAVED).is_file():
        return Source(root, (root,), position=Position(folder_size(root)))
    if (root / SPLITS).is_file():
        return _saved_parts(root)
    names = [Path(folder, name) for folder, _, names in os.walk(root, onerror=_refuse) for name in names]
    inside = sorted(path for path in names if path.is_file() and path.name not in NO_DATA)
    seen = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    by_kind = {kind.label: tuple(path for path in seen if kind_of(path) is kind) for kind in KINDS}
    found = {label: paths for label, paths in by_kind.items() if paths}
    if not found:
        raise UserError(f"{root} holds no data file.", hint=f"Put {KNOWN} files into it.", path="data.path")
    label, files = next(iter(found.items()))
    others = [f"{len(paths)} {other} file(s)" for other, paths in found.items() if other != label]
    notes = [f"The {label} files are read; {' and '.join(others)} beside them are left out."] if others else []
    files, note = _training_part(root, files)
    return Source(
        root, files, notes=(*notes, *note), position=Position(sum(file.stat().st_size for file in files))
    )  # fmt: skip


def _refuse(error: OSError) -> None:
    """A folder in the folder that may not be looked into."""
    raise error


def _training_part(root: Path, files: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Of a data set in parts the one to train on; all files where their names do not speak of parts."""
    train = tuple(file for file in files if any(TRAIN.search(part) for part in file.relative_to(root).parts))
    held = [file for file in files if any(HELD_BACK.search(part) for part in file.relative_to(root).parts)]
    if not train or not held or set(train) & set(held):
        return files, ()
    first = held[0].relative_to(root).as_posix()
    note = f"The files of the train part are read; {len(held)} of a test or validation part are left out"
    return train, (f"{note} ({first}: name it as the held-out file to measure with it).",)


def _saved_parts(root: Path) -> Source:
    """A folder of several saved tables: the one called train, or the only one."""
    parts = sorted(path.parent for path in root.glob(f"*/{SAVED}"))
    if not parts:
        raise UserError(f"{root} is a saved data set without a part in it.", path="data.path")
    chosen = next((part for part in parts if part.name == "train"), parts[0])
    others = [part.name for part in parts if part != chosen]
    notes = (f"The part '{chosen.name}' is read; {', '.join(others)} left out.",) if others else ()
    return Source(root, (chosen,), notes=notes, position=Position(folder_size(chosen)))
