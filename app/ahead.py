"""What takes long to import, imported a little at a time, so that the window answers in between."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.abc import InspectLoader
from importlib.util import find_spec

_PLOTS = "app.plots."
_QT = ("PySide6.QtCore", "PySide6.QtGui", "PySide6.QtWidgets", "PySide6.QtSvg", "PySide6.QtTest", "PySide6.QtOpenGL")
_OTHERS = (
    "cProfile", "pydoc", "xml.etree.ElementTree", "multiprocessing.connection", "PySide6.QtOpenGLWidgets", "numpy.ma",
)  # fmt: skip
_CLASSES = 50
"""Classes of Qt that are made ready in one part."""


def imported(module: str) -> Iterator[None]:
    """Import a module of the window, and first what it imports of the window itself; rests after each part."""
    if module in sys.modules:
        return
    needed = _imports(module)
    if any(name.startswith(_PLOTS) for name in needed) and "pyqtgraph" not in sys.modules:
        yield from plots()
    for name in (*needed, module):
        if name not in sys.modules:
            importlib.import_module(name)
            yield


def plots() -> Iterator[None]:
    """Import pyqtgraph, and first what it needs; rests after each part.

    pyqtgraph takes every class of Qt into its hands, and PySide6 makes each of them ready when it is first touched:
    that is most of the time that its import takes.
    """
    for name in _QT:
        module = importlib.import_module(name)
        names = dir(module)
        for start in range(0, len(names), _CLASSES):
            for touched in names[start : start + _CLASSES]:
                getattr(module, touched)
            yield
    for name in _OTHERS:
        importlib.import_module(name)
        yield
    importlib.import_module("pyqtgraph")
    yield


def _imports(module: str) -> list[str]:
    """What a module imports of the window at its head, as its compiled code says."""
    spec = find_spec(module)
    loader = spec.loader if spec is not None else None
    code = loader.get_code(module) if isinstance(loader, InspectLoader) else None
    return [] if code is None else [name for name in code.co_names if name.startswith("app.")]
