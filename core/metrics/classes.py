"""How well texts are sorted into classes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def accuracy(predicted: Numbers, actual: Numbers) -> float:
    """Share of the examples, (n,) each, whose class is right; 0 where there is none."""
    return float((predicted == actual).mean()) if len(actual) else 0.0


def f1(predicted: Numbers, actual: Numbers, classes: int) -> float:
    """F1: of class 1 where there are two, as on MRPC and QQP, else the mean over the classes that occur."""
    table = confusion(predicted, actual, classes)
    hits = np.diag(table).astype(np.float64)
    sizes = table.sum(axis=0) + table.sum(axis=1)
    scores = np.divide(2 * hits, sizes, out=np.zeros(classes), where=sizes > 0)
    if classes == 2:
        return float(scores[1])
    return float(scores[sizes > 0].mean()) if (sizes > 0).any() else 0.0


def matthews(predicted: Numbers, actual: Numbers, classes: int) -> float:
    """Matthews' correlation, -1 to 1, for any number of classes (as on CoLA); 0 where all are in one class."""
    table = confusion(predicted, actual, classes).astype(np.float64)
    said, true, total = table.sum(axis=0), table.sum(axis=1), table.sum()
    above = np.trace(table) * total - said @ true
    below = math.sqrt((total**2 - said @ said) * (total**2 - true @ true))
    return float(above / below) if below > 0 else 0.0


def confusion(predicted: Numbers, actual: Numbers, classes: int) -> Numbers:
    """How often a class (row) was taken for a class (column), (classes, classes)."""
    found: Numbers = np.bincount(actual * classes + predicted, minlength=classes * classes).astype(np.int64)
    return found.reshape(classes, classes)
