"""What a run file says about layers becomes exactly the layers meant."""

from __future__ import annotations

import pytest

from core.config.compact import compact
from core.config.run import AdapterConfig
from core.config.select import select
from core.errors import UserError
from tests.core.config.models import llama_layers

LAYERS = llama_layers()


def names(layers: str | tuple[str, ...]) -> list[str]:
    return [plan.name for plan in select(LAYERS, AdapterConfig(layers=layers))]


def test_all_linear_is_every_matrix_of_the_blocks_and_nothing_else() -> None:
    assert names("all-linear") == [layer.name for layer in LAYERS if layer.block is not None]


def test_the_presets_attention_and_mlp_share_out_all_linear() -> None:
    assert len(names("attention")) == 3 * 4
    assert len(names("mlp")) == 3 * 3
    assert set(names("attention")) | set(names("mlp")) == set(names("all-linear"))


def test_plans_come_in_the_models_order_and_once_however_they_are_named() -> None:
    chosen = names(("v_proj", "model.layers.1.self_attn.q_proj", "attention"))

    assert chosen == names("attention")


@pytest.mark.parametrize(
    ("entry", "count"),
    [
        ("q_proj", 3),
        ("self_attn.q_proj", 3),
        ("model.layers.2.mlp.down_proj", 1),
        ("model.layers.[01].*", 14),
        ("layers.1.*", 7),
        ("*.q_proj", 3),
        ("*proj", 21),
    ],
)
def test_suffixes_names_and_patterns_are_found(entry: str, count: int) -> None:
    assert len(names((entry,))) == count


def test_a_text_with_commas_is_a_list() -> None:
    assert names("q_proj, v_proj") == names(("q_proj", "v_proj"))


def test_a_pattern_over_everything_leaves_embedding_and_head_out() -> None:
    assert names(("*",)) == names("all-linear")


def test_part_of_a_word_is_not_a_suffix() -> None:
    with pytest.raises(UserError, match="No layer of this model is called 'proj'"):
        names(("proj",))


def test_an_entry_that_means_nothing_is_named_with_near_names() -> None:
    with pytest.raises(UserError, match="'q_porj'") as caught:
        names(("v_proj", "q_porj"))

    assert caught.value.path == "adapter.layers"
    assert "Did you mean 'q_proj'" in caught.value.hint


@pytest.mark.parametrize("entry", ["lm_head", "model.embed_tokens", "*embed*"])
def test_embedding_and_head_are_refused_by_what_they_are(entry: str) -> None:
    with pytest.raises(UserError, match="embedding or the head"):
        names((entry,))


def test_an_empty_choice_is_refused() -> None:
    adapter = AdapterConfig.model_construct(**{**AdapterConfig().model_dump(), "layers": ()})

    with pytest.raises(UserError, match="No layer is chosen"):
        select(LAYERS, adapter)


def test_a_full_name_wins_over_patterns_and_of_patterns_the_last_one_wins() -> None:
    adapter = AdapterConfig(
        layers="attention",
        rank=4,
        ranks={"model.layers.0.self_attn.q_proj": 32, "q_proj": 8, "layers.2.*": 16},
        alphas={"attention": 3.5},
    )

    found = {plan.name: plan for plan in select(LAYERS, adapter)}

    assert found["model.layers.0.self_attn.q_proj"].rank == 32
    assert found["model.layers.1.self_attn.q_proj"].rank == 8
    assert found["model.layers.2.self_attn.q_proj"].rank == 16
    assert found["model.layers.1.self_attn.k_proj"].rank == 4
    assert {plan.alpha for plan in found.values()} == {3.5}


def test_a_rank_for_a_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserError, match="q_prok") as caught:
        select(LAYERS, AdapterConfig(ranks={"q_prok": 8}))

    assert caught.value.path == "adapter.ranks"


@pytest.mark.parametrize("chosen", ["all-linear", "mlp", ("q_proj", "v_proj"), ("layers.1.*",)])
def test_the_shortest_way_to_write_a_choice_means_the_same_choice(chosen: str | tuple[str, ...]) -> None:
    shortest = compact(LAYERS, names(chosen))

    assert names(shortest) == names(chosen)
