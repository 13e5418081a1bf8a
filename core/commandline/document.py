"""Answers as text: JSON that every parser accepts, and tables that people can read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

MISSING = "-"


def to_json(value: Any) -> str:
    """One JSON document in ASCII, so that no terminal's encoding can spoil it."""
    return json.dumps(plain(value), indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """The value in JSON's own types; numbers that JSON does not have (NaN, infinity) become null."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> str:
    """Columns of equal width under their heads.

    Args:
        head: the columns' names.
        rows: their cells; None shows as a dash.
        right: the names of the columns that hold numbers, which line up on the right.
    """
    cells = [[MISSING if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    numbers = {head.index(name) for name in right}
    lines = []
    for line in [list(head), ["-" * width for width in widths], *cells]:
        padded = [
            cell.rjust(w) if i in numbers else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def pairs(rows: Mapping[str, Any]) -> str:
    """A name and its value on each line, the values in one column."""
    width = max((len(name) for name in rows), default=0)
    return "\n".join(f"{name.ljust(width)}  {MISSING if value is None else value}" for name, value in rows.items())


def amount(size: float | None) -> str:
    """Bytes for people: `269 MB`, in thousands as disks are sold."""
    if size is None:
        return MISSING
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit in ("B", "kB") or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def number(value: float | None, digits: int = 4) -> str:
    """A measured value with so many digits behind the point, or a dash."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def duration(seconds: float | None) -> str:
    """A time for people: `48 s`, `12 min 30 s`, `3 h 5 min`."""
    if seconds is None:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
