"""An adapter on disk: what is there is read, and what is not is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.adapters.state import read
from core.errors import UserError


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "layers": [{}], "adapter": {}}'])
def test_a_damaged_description_is_told_by_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / "adapter.json").write_text(text, encoding="utf-8")

    with pytest.raises(UserError, match=r"adapter\.json is damaged"):
        read(tmp_path)
