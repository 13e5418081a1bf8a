"""Figures as JSON and back: how a worker that has torch hands them to a window that has not.

Every value says its kind, so that reading needs no guessing. JSON has no NaN and no infinity: they travel as words.
Arrays travel as their bytes: the window reads thousands of numbers of many checkpoints between two frames.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from typing import Any

import numpy as np

from core.figures.figure import Axis, Bars, Heatmap, Histogram, Lines, Mark, Scatter, Series, Table, Words

KINDS: dict[str, type] = {
    kind.__name__: kind for kind in (Axis, Bars, Heatmap, Histogram, Lines, Mark, Scatter, Series, Table, Words)
}
ARRAY, NUMBER = "array", "number"
_PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types of what reads the same on both sides."""


def encode(value: Any) -> Any:
    """A figure (or a mapping, sequence or part of them) as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        bytes_ = base64.b64encode(data.tobytes()).decode("ascii")
        return {"kind": ARRAY, "dtype": data.dtype.str, "shape": list(value.shape), "data": bytes_}
    if isinstance(value, float) and not math.isfinite(value):
        return {"kind": NUMBER, "value": str(value)}
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    """The inverse; lists come back as tuples."""
    if isinstance(value, list):
        return tuple(value if _PLAIN.issuperset(map(type, value)) else map(decode, value))
    if not isinstance(value, dict):
        return value
    kind = value.get("kind")
    if kind == NUMBER:
        return float(value["value"])
    if kind == ARRAY:
        return _array(value["data"], value["dtype"]).reshape(value["shape"])
    fields = {key: decode(item) for key, item in value.items() if key != "kind" or kind not in KINDS}
    return KINDS[kind](**fields) if kind in KINDS else fields


def _array(data: str | list[Any], dtype: str) -> np.ndarray:
    """From bytes, or from the list of numbers that answers were kept as before."""
    if isinstance(data, str):
        return np.frombuffer(base64.b64decode(data), dtype)
    return np.array(decode(data), dtype)
