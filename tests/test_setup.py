"""Set-up installs exactly what is pinned, does nothing twice, and goes on without what it can do without."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from tests.source import ROOT, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
NAMES = {"yaml": "PyYAML", "PySide6": "PySide6-Essentials", "shiboken6": "PySide6-Essentials", "pynvml": "nvidia-ml-py"}
"""Module to distribution, where they differ by more than case and dashes."""


def script(name: str) -> ModuleType:
    """A fresh module of packaging/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script over an empty folder, with a log in the place of pip."""
    module = script("setup")
    for name in ("pyproject.toml", "packaging"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp")
    monkeypatch.setattr(module, "PYPROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr(module, "CONSTRAINTS", tmp_path / "packaging" / "constraints.txt")
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "calls", calls, raising=False)
    monkeypatch.setattr(module, "_pip", lambda *words: calls.append(words))
    monkeypatch.setattr(module, "make_environment", lambda: module.VENV.mkdir(exist_ok=True))
    monkeypatch.setattr(module, "works", module.VENV.exists)
    return module


def test_every_pin_is_exact_and_is_what_the_tests_run_on() -> None:
    for pin in PINS:
        name, version = pin.split("==")
        assert metadata.version(name).partition("+")[0] == version, name


def test_constraints_are_exact_and_repeat_no_pin() -> None:
    lines = (ROOT / "packaging" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    constrained = {plain(line.split("==")[0]) for line in lines if not line.startswith("#")}

    assert all(line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.+]+", line) for line in lines)
    assert constrained.isdisjoint(plain(pin.split("==")[0]) for pin in PINS)


def test_everything_the_product_imports_is_a_dependency_of_its_own() -> None:
    imported = {name.split(".")[0] for module in modules().values() for name in module.imports()}
    foreign = imported - set(sys.stdlib_module_names) - {"core", "app", "main", ""}
    declared = {plain(pin.split("==")[0]) for pin in PROJECT["dependencies"]}

    assert {name for name in foreign if plain(NAMES.get(name, name)) not in declared} == set()


def test_torch_is_installed_first_then_everything_then_the_model(setup: ModuleType) -> None:
    setup.set_up()
    torch, packages, model = setup.calls

    assert torch[-1] == "torch==2.13.0"
    assert set(PINS) <= set(packages)
    assert "--require-hashes" in model and "--no-deps" in model


def test_a_second_set_up_does_nothing(setup: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    setup.set_up()
    setup.calls.clear()
    capsys.readouterr()
    setup.set_up()
    setup.set_up(again=True)

    assert setup.calls == []
    assert capsys.readouterr().out == ""


def test_an_edited_pin_and_a_broken_environment_set_up_again(setup: ModuleType) -> None:
    setup.set_up()
    text = setup.PYPROJECT.read_text(encoding="utf-8")
    setup.PYPROJECT.write_text(text.replace("PyYAML==6.0.3", "PyYAML==6.0.4"), encoding="utf-8")
    setup.calls.clear()
    setup.set_up()
    assert "PyYAML==6.0.4" in setup.calls[1]

    setup.calls.clear()
    shutil.rmtree(setup.VENV)
    setup.set_up()
    assert len(setup.calls) == 3


def test_an_edit_that_is_no_pin_does_not_set_up_again(setup: ModuleType) -> None:
    setup.set_up()
    with setup.PYPROJECT.open("a", encoding="utf-8") as file:
        file.write("\n[tool.other]\nname = 1\n")
    setup.calls.clear()
    setup.set_up()

    assert setup.calls == []


def test_set_up_goes_on_without_the_model_and_tries_again_when_asked(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*words: str) -> None:
        setup.calls.append(words)
        if "--require-hashes" in words:
            raise setup.SetupError("no network")

    monkeypatch.setattr(setup, "_pip", fails)
    setup.set_up()
    assert "the tiny one" in capsys.readouterr().err

    setup.calls.clear()
    setup.set_up()
    assert setup.calls == []

    setup.set_up(again=True)
    (model,) = setup.calls
    assert "--require-hashes" in model


def test_a_failed_installation_leaves_no_stamp(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*words: str) -> None:
        raise setup.SetupError("no network")

    monkeypatch.setattr(setup, "_pip", fails)
    with pytest.raises(setup.SetupError, match="no network"):
        setup.set_up()

    assert not setup.STAMP.exists()


def test_the_list_of_system_packages_is_well_formed() -> None:
    lines = (ROOT / "packaging" / "system-packages.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]

    assert all(len(row) == 3 and row[1] in ("library", "program", "module") for row in rows)
    assert len({row[0] for row in rows}) == len(rows) > 10


def test_a_missing_library_is_named_and_nothing_is_missing_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    system = script("system")
    listed = tmp_path / "list.txt"
    listed.write_text("# comment\n\nlibnone1 library libnone.so.1\nnone program no-such-program\n", encoding="utf-8")
    monkeypatch.setattr(system, "LIST", listed)
    monkeypatch.setattr(sys, "platform", "linux")
    assert system.missing() == ["libnone1", "none"]

    monkeypatch.setattr(sys, "argv", ["system.py", "--window"])
    assert system.main() == 1
    assert "apt-get install libnone1\n" in capsys.readouterr().err

    monkeypatch.setattr(sys, "platform", "win32")
    assert system.missing() == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_what_a_check_of_a_clone_runs_is_sound_bash() -> None:
    ended = subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
