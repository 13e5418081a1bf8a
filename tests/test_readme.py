"""The README tells the truth: its tables, its commands, its tree and its links."""

from __future__ import annotations

import importlib.util
import re
import shlex
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

from core.commandline.entry import parser
from core.config.files import read
from tests.source import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
HELP = sorted((ROOT / "resources" / "help").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *HELP]


def script(name: str) -> ModuleType:
    """A module of packaging/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "packaging" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_tables_are_what_the_registries_say() -> None:
    assert script("readme_tables").written(README) == README, "make readme"


def test_a_readme_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="methods"):
        script("readme_tables").written("")


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"\bmake (\w+)", "\n".join(code(page)))}

    assert {"run", "test", "demo", "bench"} <= named <= targets


def code(page: Path) -> list[str]:
    """What a page shows as code: fenced blocks and words in backticks."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"```\w*\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)


def test_every_command_that_is_named_is_understood() -> None:
    shown = {
        words for page in PAGES for text in code(page) for words in re.findall(r"python\S* main\.py ([a-z].*)", text)
    }
    understood = [parser().parse_args(shlex.split(words, comments=True), Namespace()) for words in shown]

    assert len(understood) >= 2


def test_the_commands_in_the_table_of_help_are_understood() -> None:
    text = (ROOT / "resources" / "help" / "command-line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    commands = [words for row in rows for words in re.findall(r"`(.*?)`", row)]

    for words in commands:
        assert parser().parse_args(shlex.split(words), Namespace()).subcommand is not None
    assert len(commands) >= 8


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "resources" / "help" / "command-line.md"], ids=lambda p: p.stem
)
def test_the_run_files_that_are_shown_are_sound(page: Path, tmp_path: Path) -> None:
    shown = blocks(page.read_text(encoding="utf-8"), "yaml")
    for text in shown:
        (tmp_path / "run.yaml").write_text(text, encoding="utf-8")

        assert read(tmp_path / "run.yaml").adapter.method == "lora"
    assert shown


def test_everything_in_the_tree_is_there_and_the_top_level_is_whole() -> None:
    tree = next(text for language, text in re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL) if not language)
    parent = Path()
    for line in tree.splitlines():
        name = line.split()[0]
        parent = Path(name) if not line.startswith(" ") else parent
        assert (ROOT / (parent / name if line.startswith(" ") else name)).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", HELP, ids=lambda page: page.stem)
def test_a_page_of_help_has_one_title(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert text.startswith("# ")
    assert len(re.findall(r"^# ", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)) == 1
