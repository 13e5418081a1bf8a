"""What every test stands on: no network, no display, one thread, and never the user's own home.

The environment is set here, before anything of the project, of Qt or of torch is imported, and reaches the processes
that tests start. Warnings are errors (pyproject.toml).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "QT_QPA_PLATFORM": "offscreen",
}

from core.home import Home, find_home

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")  # No test fails because the machine is busy.


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for other processes begins first: at the end, all the others would wait for it."""
    items.sort(key=lambda item: item.path.parent.name != "whole")


@pytest.fixture(autouse=True, scope="session")
def _no_real_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whoever forgets to say which home gets an empty one."""
    os.environ["RANKLOOM_HOME"] = str(tmp_path_factory.mktemp("home"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A fresh home, which is also the default one while the test runs."""
    folder = tmp_path / "home"
    monkeypatch.setenv("RANKLOOM_HOME", str(folder))
    return find_home(str(folder))
