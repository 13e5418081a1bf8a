"""Editing a frozen configuration by paths, and saying what changed."""

from __future__ import annotations

import pytest

from core.config.edit import difference, replaced, sentence, title, value_at
from core.config.run import AdapterConfig, RunConfig
from core.errors import UserError
from core.optim.schedules.cosine import Cosine
from core.optim.schedules.linear import Linear


def test_a_value_is_replaced_and_the_old_configuration_stays() -> None:
    before = RunConfig()
    after = replaced(before, {"adapter.rank": 16})
    assert (before.adapter.rank, after.adapter.rank) == (8, 16)
    assert difference(before, after) == {"adapter.rank"}
    assert value_at(after, "adapter.rank") == 16


def test_what_the_file_would_accept_is_accepted_in_its_form() -> None:
    after = replaced(RunConfig(), {"train.schedule": "linear", "train.prompts": ["one", "two"]})
    assert after.train.schedule == Linear()
    assert after.train.prompts == ("one", "two")


def test_a_value_out_of_bounds_is_refused_in_words_with_its_path() -> None:
    with pytest.raises(UserError, match="greater than or equal to 1") as caught:
        replaced(RunConfig(), {"adapter.rank": 0})
    assert caught.value.path == "adapter.rank"


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(UserError, match=r"no option 'adapter\.rnak'"):
        replaced(RunConfig(), {"adapter.rnak": 4})


def test_a_draft_may_have_no_layers_and_is_still_edited() -> None:
    empty = replaced(RunConfig(), {"adapter.layers": ()})
    assert empty.adapter.layers == ()
    assert replaced(empty, {"adapter.rank": 4}).adapter.layers == ()


def test_what_follows_from_a_configuration_is_worked_out_anew_after_a_change() -> None:
    before = RunConfig()
    assert before.method_label == "LoRA"
    assert replaced(before, {"adapter.method": "rslora"}).method_label == "rsLoRA"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"adapter.rank": 16}, "Rank (r) 8 to 16"),
        ({"train.learning_rate": 1e-3}, "Learning rate 0.0002 to 0.001"),
        ({"train.schedule": "linear"}, "Schedule Cosine to Linear"),
        ({"train.schedule": Cosine(floor=0.1)}, "Floor 0 to 0.1"),
        ({"data.packing": False}, "Packing on to off"),
        ({"adapter.layers": ("a", "b")}, "Layers"),
        ({"adapter.rank": 4, "train.steps": 7, "name": "x"}, "Rank (r) 8 to 4 and 1 more"),
        ({}, "Nothing"),
    ],
)
def test_a_change_is_said_in_words(values: dict[str, object], said: str) -> None:
    assert sentence(RunConfig(), replaced(RunConfig(), values)) == said


def test_a_member_of_another_kind_is_one_change() -> None:
    after = replaced(RunConfig(), {"train.schedule": "constant"})
    assert difference(RunConfig(), after) == {"train.schedule"}


def test_fields_without_a_title_take_that_of_their_axis() -> None:
    assert title(AdapterConfig, "delta") == "Delta"
    assert title(RunConfig, "train") == "Train"
