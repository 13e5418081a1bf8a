"""The shape of the house, judged from its source: who may import whom, how long things may be, how they are called."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable

from core.config.run import AXES
from core.data.formats import FORMATS
from core.optim.optimizers import OPTIMIZERS
from core.optim.schedules import SCHEDULES
from tests.source import ROOT, Module, modules, reached

HEAVY = frozenset({"torch", "transformers", "datasets", "bitsandbytes", "accelerate", "peft", "trl"})
QT = frozenset({"PySide6", "shiboken6", "pyqtgraph"})
JUDGES = frozenset({"peft", "trl"})
"""Outside judges of the tests."""
DRAWERS = frozenset({"utils", "util", "misc", "helpers", "helper", "common"})
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+(TABLE|INDEX)|PRAGMA\s+\w)",
    re.DOTALL,
)


def inside(*packages: str) -> list[Module]:
    """The modules of these packages."""
    return [module for module in modules().values() if module.name.split(".")[0] in packages]


def roots(names: Iterable[str]) -> set[str]:
    """The distributions that imported names belong to."""
    return {name.split(".")[0] for name in names}


def test_core_never_imports_the_window() -> None:
    wrong = {m.name: found for m in inside("core") if (found := roots(m.imports()) & (QT | {"app"}))}

    assert wrong == {}


def test_what_the_training_stands_on_is_imported_without_it() -> None:
    below = [m for m in inside("core") if not m.name.startswith(("core.train", "core.worker"))]
    wrong = [m.name for m in below if any(name.startswith("core.train") for name in m.imports(at_top_only=True))]

    assert wrong == []


def test_the_window_never_imports_what_needs_torch() -> None:
    wrong = {m.name: found for m in inside("app", "main") if (found := roots(m.imports()) & HEAVY)}

    assert wrong == {}


def test_nothing_that_the_window_reaches_imports_torch_when_it_is_imported() -> None:
    heavy = {
        name: found
        for name in reached([module.name for module in inside("app", "main")])
        if (found := roots(modules()[name].imports(at_top_only=True)) & HEAVY)
    }

    assert heavy == {}


def test_the_product_never_imports_the_judges_of_its_tests() -> None:
    wrong = {m.name: found for m in modules().values() if (found := roots(m.imports()) & JUDGES)}

    assert wrong == {}


def test_the_product_never_imports_its_tests_or_its_packaging() -> None:
    wrong = [m.name for m in modules().values() if "tests" in roots(m.imports())]

    assert wrong == []


def test_importing_every_module_of_the_window_leaves_torch_out() -> None:
    names = [module.name for module in inside("app")]
    script = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    script += f"print(sorted({set(HEAVY)!r} & set(sys.modules)))"

    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip

    assert (ended.returncode, ended.stdout.strip()) == (0, "[]"), ended.stderr


def test_members_of_an_axis_never_import_one_another() -> None:
    wrong = []
    for axis in (*AXES.values(), OPTIMIZERS, SCHEDULES, FORMATS):
        homes = {member.__module__ for member in axis.members}
        wrong += [(home, other) for home in homes for other in homes & modules()[home].imports() if other != home]

    assert wrong == []


def test_pages_never_import_one_another() -> None:
    pages = {m.name for m in inside("app") if m.name.startswith("app.pages.") and m.name != "app.pages.page"}
    wrong = [(page, other) for page in pages for other in pages & modules()[page].imports() if other != page]

    assert wrong == []


def test_sql_is_written_in_the_store_only() -> None:
    wrong = [
        (module.name, node.lineno)
        for module in modules().values()
        if not module.name.startswith("core.store")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value)
    ]

    assert wrong == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [m.name for m in modules().values() if DRAWERS & set(m.name.split("."))] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [m.name for m in modules().values() if m.tree.body and not ast.get_docstring(m.tree)] == []


def test_modules_and_functions_stay_short() -> None:
    long_modules = [(m.name, m.lines) for m in modules().values() if m.lines > LONGEST_MODULE]
    long_functions = [
        (module.name, node.name, length)
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]

    assert (long_modules, long_functions) == ([], [])


def test_broad_excepts_stand_at_the_entries_of_processes_and_jobs_only() -> None:
    borders = {"core.worker", "core.service", "core.commandline.entry", "app.errors"}
    wrong = [
        (module.name, node.lineno)
        for module in modules().values()
        if module.name not in borders
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _reraises(node)
    ]

    assert wrong == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else set()
    return handler.type is None or bool(names & {"Exception", "BaseException"})


def _reraises(handler: ast.ExceptHandler) -> bool:
    """Whether it cleans up and lets the exception go on: that swallows nothing."""
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))
