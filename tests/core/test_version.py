"""The program says one version of itself."""

from __future__ import annotations

import tomllib
from pathlib import Path

from core import VERSION


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["version"] == VERSION
