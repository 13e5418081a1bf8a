"""The shortest way to write a set of layers, and its way back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.config.compact import compact, last_blocks, matching, preset_names
from core.config.edit import replaced
from core.config.run import RunConfig
from core.config.select import select
from tests.app.fake_models import GPT2, fake_model

MODEL = fake_model(4)
NAMES = [layer.name for layer in MODEL.adaptable]


def test_a_preset_is_written_as_the_preset() -> None:
    for preset in ("all-linear", "attention", "mlp"):
        assert compact(MODEL.layers, preset_names(MODEL.layers, preset)) == preset


def test_whole_columns_are_written_as_suffixes() -> None:
    names = [name for name in NAMES if name.endswith(("q_proj", "v_proj"))]
    assert compact(MODEL.layers, names) == ("q_proj", "v_proj")


def test_anything_else_is_written_as_names_in_the_order_of_the_model() -> None:
    assert compact(MODEL.layers, {NAMES[9], NAMES[2]}) == (NAMES[2], NAMES[9])


def test_nothing_is_an_empty_list() -> None:
    assert compact(MODEL.layers, ()) == ()


@given(st.sets(st.sampled_from(NAMES), min_size=1))
def test_what_is_written_means_exactly_what_was_chosen(chosen: set[str]) -> None:
    written = compact(MODEL.layers, chosen)
    plans = select(MODEL.layers, replaced(RunConfig(), {"adapter.layers": written}).adapter)
    assert {plan.name for plan in plans} == chosen


def test_one_suffix_in_two_roles_is_only_written_when_both_are_chosen() -> None:
    model = fake_model(2, GPT2)
    attention = [layer.name for layer in model.adaptable if layer.role == "o"]
    assert compact(model.layers, attention) == tuple(attention)


def test_the_last_blocks_are_counted_from_the_end() -> None:
    assert last_blocks(MODEL.layers, 1) == {name for name in NAMES if ".3." in name}
    assert last_blocks(MODEL.layers, 9) == set(NAMES)


def test_a_filter_finds_parts_of_names_and_patterns() -> None:
    assert matching(MODEL.layers, "q_proj") == {name for name in NAMES if "q_proj" in name}
    assert matching(MODEL.layers, "*.1.*_proj") == {name for name in NAMES if ".1." in name}
    assert matching(MODEL.layers, "embed") == frozenset()
    assert matching(MODEL.layers, "  ") == frozenset()
