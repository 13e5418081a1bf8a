"""The product's own source as syntax trees: what the tests of the architecture and of the registries look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Module:
    """One file.

    Attributes:
        name: as it is imported (`core.store.writer`; a package by its own name).
        path: where it lies.
        tree: its syntax.
        lines: how many it has.
    """

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def is_package(self) -> bool:
        """Whether it is a folder's `__init__.py`."""
        return self.path.name == "__init__.py"

    def imports(self, *, at_top_only: bool = False) -> frozenset[str]:
        """Full names of what it imports; `from a import b` counts as `a` and as `a.b`.

        Args:
            at_top_only: leave out imports inside functions and those for type checkers, which nothing executes on
                import.
        """
        found: set[str] = set()
        for node in _executed(self.tree) if at_top_only else ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        return frozenset(found)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (found for other in child.orelse for found in (other, *_executed(other)))
            continue
        yield child
        yield from _executed(child)


@cache
def modules() -> dict[str, Module]:
    """Every module of `core` and `app`, and `main`."""
    files = [ROOT / "main.py", *sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "app").rglob("*.py"))]
    return {module.name: module for module in map(_read, files)}


def _read(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name, path, ast.parse(text, filename=str(path)), text.count("\n"))


def reached(start: Iterator[str] | list[str]) -> frozenset[str]:
    """The product's modules that are imported when these are, packages on the way included."""
    known = modules()
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in known or name in found:
            continue
        found.add(name)
        parts = name.split(".")
        waiting += [".".join(parts[:length]) for length in range(1, len(parts))]
        waiting += known[name].imports(at_top_only=True)
    return frozenset(found)
