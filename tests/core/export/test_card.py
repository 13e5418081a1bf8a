"""The card: what sites and people read of an export."""

from __future__ import annotations

import pytest
import yaml

from core.config.run import RunConfig
from core.export.card import card, is_dead_path
from core.layers import LayerInfo, LayerPlan

CONFIG = RunConfig.from_dict(
    {"name": "a | b", "model": {"path": "/models/m"}, "data": {"path": "/private/devil.jsonl"}, "adapter": {"rank": 4}}
)
PLANS = tuple(
    LayerPlan(LayerInfo(f"model.layers.{block}.self_attn.q_proj", "q", block, 8, 8), rank, 8.0)
    for block, rank in enumerate((4, 4, 16))
)


def text(kind: str = "adapter", **more: str) -> str:
    losses = {"Best held-out loss": 3.25, "Training loss, last step": None}
    return card(kind, CONFIG, PLANS, base="owner/name", step=40, losses=losses, **more)


def test_the_head_is_what_model_sites_expect() -> None:
    head = yaml.safe_load(text().split("---\n")[1])
    assert head["base_model"] == "owner/name"
    assert head["library_name"] == "peft"
    assert head["datasets"] == ["devil.jsonl"]
    assert "lora" in head["tags"]


def test_ranks_losses_and_steps_are_told_and_what_is_unknown_is_left_out() -> None:
    found = text()
    assert "| Rank | 4 (x 2), 16 (x 1) |" in found
    assert "| Best held-out loss | 3.2500 |" in found
    assert "Training loss, last step" not in found
    assert "| Steps | 40 of 200 |" in found


def test_no_path_of_this_machine_gets_into_a_card() -> None:
    assert "/private" not in text() and "/models" not in text()


def test_the_comparison_stands_in_the_card_where_there_was_one() -> None:
    assert "Checked after export" not in text()
    assert "all the same" in text(agreement="all the same")


def test_a_gguf_card_names_its_file() -> None:
    assert "FROM ./m-1B-F16.gguf" in text("gguf", file="m-1B-F16.gguf")


@pytest.mark.parametrize(
    ("labels", "classes", "judges"),
    [(("bad", "good", "so so"), 3, "| Classes | bad, good, so so |"), ((), 1, "number")],
)
def test_a_model_that_judges_texts_is_opened_as_one(labels: tuple[str, ...], classes: int, judges: str) -> None:
    config = RunConfig.from_dict({"task": "sequence-classification" if labels else "regression"})
    found = {
        kind: card(kind, config, PLANS, base="owner/name", step=40, losses={}, labels=labels)
        for kind in ("adapter", "merged")
    }

    for said in found.values():
        assert "AutoModelForSequenceClassification.from_pretrained(" in said and "CausalLM" not in said
        assert "pipeline_tag: text-classification" in said and judges in said and "Loss on" not in said
    assert f'from_pretrained("owner/name", num_labels={classes})' in found["adapter"]


def test_what_has_no_rank_is_no_lora() -> None:
    config = RunConfig.from_dict({"adapter": {"method": "full"}})
    assert "- lora\n" not in card("merged", config, PLANS, base="owner/name", step=40, losses={})


def test_paths_are_told_from_names() -> None:
    assert all(is_dead_path(name) for name in ("/a/b", "./m", "~/m", "C:\\m", "a/b/c", "../m"))
    assert not any(is_dead_path(name) for name in ("", "gpt2", "owner/name", "llama-3.2"))
