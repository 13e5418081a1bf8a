"""What holds for every member of every axis, and what a newcomer has to do to add one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.component import Axis, Component
from core.config.run import AXES
from core.data.formats import FORMATS
from core.errors import UserError
from core.optim.optimizers import OPTIMIZERS
from core.optim.schedules import SCHEDULES
from tests.source import ROOT

EVERY_AXIS: tuple[Axis[Any], ...] = (*AXES.values(), OPTIMIZERS, SCHEDULES, FORMATS)
AXIS = [pytest.param(axis, id=axis.name) for axis in EVERY_AXIS]
MEMBER = [pytest.param(axis, member, id=f"{axis.name}-{member.kind}") for axis in EVERY_AXIS for member in axis.members]


def declared(axis: Axis[Any]) -> set[type[Component]]:
    """The components that the files of an axis's folder define with a kind of their own."""
    package = axis.members[0].__module__.rpartition(".")[0]
    folder = importlib.import_module(package)
    found: set[type[Component]] = set()
    for file in pkgutil.iter_modules(folder.__path__, f"{package}."):
        for _, value in inspect.getmembers(importlib.import_module(file.name), inspect.isclass):
            if issubclass(value, Component) and "kind" in vars(value) and value.__module__ == file.name:
                found.add(value)
    return found


@pytest.mark.parametrize("axis", AXIS)
def test_every_member_in_a_folder_is_in_its_axis_and_one_file_holds_one(axis: Axis[Any]) -> None:
    assert declared(axis) == set(axis.members)
    assert len({member.__module__ for member in axis.members}) == len(axis.members)


@pytest.mark.parametrize("axis", AXIS)
def test_kinds_and_labels_are_unique(axis: Axis[Any]) -> None:
    assert len({member.kind for member in axis.members}) == len(axis.members)
    assert len({member.label for member in axis.members}) == len(axis.members)


@pytest.mark.parametrize("axis", AXIS)
def test_an_unknown_kind_is_answered_with_the_near_one(axis: Axis[Any]) -> None:
    kind = axis.members[0].kind

    with pytest.raises(UserError, match=f"Did you mean '{kind.replace('(', '.')}'"):
        axis[f"{kind}{kind[-1]}"]


@pytest.mark.parametrize("axis", AXIS)
def test_no_kind_at_all_is_answered_with_all_there_are(axis: Axis[Any]) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        axis.parse(5)


@pytest.mark.parametrize(("axis", "member"), MEMBER)
def test_a_member_explains_itself(axis: Axis[Any], member: type[Component]) -> None:
    assert member.label
    assert "__doc__" in vars(member) and len(member.help()) > 20
    assert member.help().endswith(".")


@pytest.mark.parametrize(("axis", "member"), MEMBER)
def test_every_option_has_a_label_and_help_and_its_default_is_allowed(axis: Axis[Any], member: type[Component]) -> None:
    for name, field in member.model_fields.items():
        assert field.title, name
        assert field.description and field.description.endswith("."), name
    assert type(member.model_validate(member().model_dump())) is member


@pytest.mark.parametrize(("axis", "member"), MEMBER)
def test_a_member_comes_back_from_its_run_file_value(axis: Axis[Any], member: type[Component]) -> None:
    value = member()

    assert axis.parse(value.to_value()) == value
    assert axis.parse(member.kind) == value
    assert axis.parse(value) is value


@pytest.mark.parametrize(("axis", "member"), MEMBER)
def test_an_unknown_option_is_refused(axis: Axis[Any], member: type[Component]) -> None:
    with pytest.raises(ValueError, match="no option 'nonsense'"):
        axis.parse({"kind": member.kind, "nonsense": 1})


NEWCOMER = '''"""A made-up delta: one trained row for all outputs."""

from core.adapters.axis import Delta, Param
from core.component import option


class Newcomer(Delta):
    """Two factors like LoRA's, of which the second carries a weight that the user chooses."""

    kind = "newcomer"
    label = "Made up by a newcomer"
    provides = frozenset({"factors", "rank"})

    strength: float = option(1.0, "Strength of the newcomer", "How much of it is added.", gt=0)

    def params(self, plan):
        layer = plan.layer
        return {
            "a": Param((plan.rank, layer.in_features), role="a", fill="kaiming", rank_dim=0),
            "b": Param((layer.out_features, plan.rank), role="b", rank_dim=1),
        }

    def factors(self, p):
        return p["b"] * self.strength, p["a"]
'''

LOOK = """
import sys
from PySide6.QtWidgets import QApplication, QLabel
application = QApplication(sys.argv)

from app.forms.member import MemberEdit
from core.adapters.delta import DELTAS
from core.config.forecast import count
from core.config.run import AdapterConfig
from core.layers import LayerInfo, LayerPlan

editor = MemberEdit(DELTAS)
editor.set_value(DELTAS["newcomer"]())
assert [label.text() for label in editor.findChildren(QLabel) if "Strength of the newcomer" in label.text()]
assert editor.value().kind == "newcomer"
plan = LayerPlan(LayerInfo("q_proj", "q", 0, 7, 5), rank=3, alpha=1.0)
print(count([plan], AdapterConfig(delta="newcomer")))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the product and its tests in which a newcomer has added one file and one registry entry."""
    copy = tmp_path_factory.mktemp("checkout")
    for part in ("core", "app", "tests", "resources"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", "demo"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    folder = copy / "core" / "adapters" / "delta"
    (folder / "newcomer.py").write_text(NEWCOMER, encoding="utf-8")
    registry = folder / "__init__.py"
    text = registry.read_text(encoding="utf-8")
    text = text.replace("from core.component", "from core.adapters.delta.newcomer import Newcomer\nfrom core.component")
    registry.write_text(text.rstrip().removesuffix(")") + ", Newcomer)\n", encoding="utf-8")
    yield copy


def test_a_newcomers_delta_is_in_the_form_and_in_the_count(checkout: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", LOOK], cwd=checkout, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout.strip()) == (0, str(3 * 5 + 7 * 3)), ended.stderr


def test_a_newcomers_delta_is_under_the_laws(checkout: Path) -> None:
    laws = [sys.executable, "-m", "pytest", "-q", "tests/laws/test_laws_of_the_axes.py", "-k", "newcomer and llama"]
    ended = subprocess.run([*laws, "-p", "no:cacheprovider"], cwd=checkout, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout
    assert "failed" not in ended.stdout
