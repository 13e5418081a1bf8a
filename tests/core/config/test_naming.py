"""Names that new runs suggest."""

from __future__ import annotations

import pytest

from core.config.edit import replaced
from core.config.naming import fresh_name, is_suggested, suggested_name
from core.config.run import RunConfig


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/devil_train.jsonl", "lora-devil-1"),
        ("C:/Data/My Support Tickets (final).csv", "lora-my-support-1"),
        ("/data/train.jsonl", "lora-train-1"),
        ("", "lora-1"),
    ],
)
def test_a_name_says_method_and_data(path: str, name: str) -> None:
    assert suggested_name(replaced(RunConfig(), {"data.path": path})) == name


def test_the_first_free_number_is_taken() -> None:
    config = replaced(RunConfig(), {"data.path": "devil.jsonl"})
    assert suggested_name(config, {"lora-devil-1", "lora-devil-2", "lora-devil-4"}) == "lora-devil-3"


def test_a_run_like_an_earlier_one_has_a_name_of_its_own() -> None:
    config = replaced(RunConfig(), {"data.path": "devil.jsonl", "name": "lora-devil-1"})
    taken = {"lora-devil-1", "mine"}
    assert fresh_name(config, taken) == "lora-devil-2"
    assert fresh_name(replaced(config, {"name": "mine"}), taken) == "mine-2"
    assert fresh_name(replaced(config, {"name": "other"}), taken) == "other"


def test_a_name_somebody_chose_is_told_from_a_suggested_one() -> None:
    config = replaced(RunConfig(), {"data.path": "devil.jsonl"})
    assert is_suggested("untitled", config)
    assert is_suggested("lora-devil-12", config)
    assert not is_suggested("lora-devil-final", config)
    assert not is_suggested("dora-devil-1", config)
