"""Imports in pieces: what they leave is what Python would have imported at once."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from app import ahead


def test_a_package_imported_in_pieces_is_whole_and_half_of_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "in_pieces"
    package.mkdir()
    (package / "__init__.py").write_text("from .one import *\n\ndef two():\n    return value + 1\n", encoding="utf-8")
    (package / "one.py").write_text("value = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(ahead, "_PIECE", -1.0)
    parts = ahead._in_pieces("in_pieces")
    next(parts)
    del parts  # Whoever imported it has gone.
    assert "in_pieces" not in sys.modules
    assert len(list(ahead._in_pieces("in_pieces"))) == 2
    made = importlib.import_module("in_pieces")
    assert made.two() == 2 and made.__spec__ is not None and made.two.__module__ == "in_pieces"
    monkeypatch.delitem(sys.modules, "in_pieces")
    monkeypatch.delitem(sys.modules, "in_pieces.one")
