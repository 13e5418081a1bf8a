"""What columns are called and hold, for data of any shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.columns import columns_job
from core.errors import UserError
from core.home import Home


def look(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = columns_job(
        Home(path.parent), {"config": {"data": {"path": str(path)}}}, lambda *_: None
    )["columns"]
    return found


def test_columns_are_named_in_order_with_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"id": 1, "q": ""}, {"id": 2, "q": "Why?", "extra": None}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert [(one["name"], one["sample"]) for one in look(path)] == [("id", "1"), ("q", "Why?"), ("extra", "")]


def test_messages_tell_their_keys_and_who_speaks(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"talk": [{"who": f"speaker {n % 2}", "what": f"sentence {n}"}]} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (talk,) = look(path)
    assert talk["keys"] == ["who", "what"]
    assert talk["speakers"] == {"who": ["speaker 0", "speaker 1"]}


def test_data_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing"):
        look(tmp_path / "nothing.jsonl")
