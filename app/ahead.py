"""What takes long to import, imported a little at a time, so that the window answers in between."""

from __future__ import annotations

import ast
import importlib
import sys
import time
from collections.abc import Iterator
from importlib.abc import InspectLoader
from importlib.util import find_spec, module_from_spec

_PLOTS = "app.plots."
_QT = ("PySide6.QtCore", "PySide6.QtGui", "PySide6.QtWidgets", "PySide6.QtSvg", "PySide6.QtTest", "PySide6.QtOpenGL")
_OTHERS = (
    "cProfile", "pydoc", "xml.etree.ElementTree", "multiprocessing.connection", "PySide6.QtOpenGLWidgets", "numpy.ma",
)  # fmt: skip
_CLASSES = 50
"""Classes of Qt that are made ready in one part."""
_PIECE = 0.01
"""Seconds after which an import in pieces rests."""
_begun: list[Iterator[None]] = []
"""The import of what plots need, where it has begun: whoever needs it goes on with it."""


def imported(module: str) -> Iterator[None]:
    """Import a module of the window, and first what it imports of the window itself; rests after each part."""
    if module in sys.modules:
        return
    needed = _imports(module)
    if any(name.startswith(_PLOTS) for name in needed):
        yield from plots()
    for name in (*needed, module):
        if name not in sys.modules:
            importlib.import_module(name)
            yield


def plots() -> Iterator[None]:
    """Import pyqtgraph, and first what it needs; rests after each part."""
    if not _begun:
        _begun.append(_import_plots())
    for _ in _begun[0]:
        yield


def _import_plots() -> Iterator[None]:
    """The parts of it.

    pyqtgraph takes every class of Qt into its hands, and PySide6 makes each of them ready when it is first touched:
    that is most of the time that its import takes. The rest are its own hundred modules.
    """
    if "pyqtgraph" in sys.modules:
        return
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
    yield from _in_pieces("pyqtgraph")


def _in_pieces(package: str) -> Iterator[None]:
    """Import a package statement by statement, as Python would at once."""
    spec = find_spec(package)
    source = spec.loader.get_source(package) if spec is not None and isinstance(spec.loader, InspectLoader) else None
    if spec is None or source is None:
        importlib.import_module(package)
        return
    module = sys.modules[package] = module_from_spec(spec)
    begun = time.perf_counter()
    try:
        for statement in ast.parse(source).body:
            piece = compile(ast.Module([statement], []), spec.origin or package, "exec", dont_inherit=True)
            exec(piece, module.__dict__)
            if time.perf_counter() - begun > _PIECE:
                yield
                begun = time.perf_counter()
    except BaseException:
        del sys.modules[package]  # As Python does: half of a package is none.
        raise


def _imports(module: str) -> list[str]:
    """What a module imports of the window at its head, as its compiled code says."""
    spec = find_spec(module)
    loader = spec.loader if spec is not None else None
    code = loader.get_code(module) if isinstance(loader, InspectLoader) else None
    return [] if code is None else [name for name in code.co_names if name.startswith("app.")]
