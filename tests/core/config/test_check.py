"""What does not go together is said before a run starts, with what to do about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core import kernels
from core.adapters.names import METHODS
from core.adapters.storage import STORAGES
from core.component import Component
from core.config import check
from core.config.check import check_config
from core.config.combine import members, unmet
from core.config.run import RunConfig
from core.layers import LayerInfo
from core.models.info import ModelInfo
from core.problem import Problem
from tests.core.config.models import llama_layers

MODEL = ModelInfo(
    path=Path("model"), name="model", architecture="LlamaForCausalLM", model_type="llama", family="Llama",
    layers=llama_layers(), blocks=3, parameters=200_000, bytes=400_000, dtype="bfloat16", vocabulary=256, hidden=64,
    heads=4, kv_heads=2, head_dim=16, intermediate=128, context=1024, tied=True, has_chat_template=True, kind="folder",
    vectors=(
        LayerInfo("model.layers.0.self_attn.q_proj.bias", "q", 0, 64, 1, "vector"),
        LayerInfo("model.norm.weight", "norm", None, 64, 1, "vector"),
    ),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _a_machine_with_a_terabyte_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little the one has on which the tests run."""
    monkeypatch.setattr(check, "free_memory", lambda device: 10**12)


def checked(**parts: dict[str, Any]) -> tuple[list[Problem], list[Problem]]:
    base: dict[str, dict[str, Any]] = {"model": {"path": "m"}, "data": {"path": "d"}, "train": {"device": "cpu"}}
    for name, part in parts.items():
        base[name] = {**base.get(name, {}), **part}
    return check_config(RunConfig.from_dict(base), MODEL)


def warned(**parts: dict[str, Any]) -> Problem:
    """The only warning, of a run that nothing blocks."""
    problems, warnings = checked(**parts)
    assert problems == []
    (warning,) = warnings
    return warning


def test_an_ordinary_run_has_nothing_against_it() -> None:
    assert checked() == ([], [])


@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_every_named_method_goes_together_with_itself(method: str) -> None:
    problems, _ = checked(adapter={"method": method})

    assert problems == []


def test_a_run_without_model_and_data_cannot_start() -> None:
    problems, _ = check_config(RunConfig(), None)

    assert [problem.path for problem in problems] == ["model.path", "data.path"]


def test_a_layer_that_is_not_there_blocks_and_the_rest_is_still_said() -> None:
    problems, warnings = checked(adapter={"layers": ["q_porj"]}, data={"held_out": 0})

    assert [problem.path for problem in problems] == ["adapter.layers"]
    assert "q_proj" in problems[0].hint
    assert [warning.path for warning in warnings] == ["data.held_out"]


def test_a_warm_up_longer_than_the_run_is_a_warning() -> None:
    assert warned(train={"steps": 100, "warmup": 100}).path == "train.warmup"
    assert checked(train={"steps": 100, "warmup": 99}) == ([], [])


@pytest.mark.parametrize(
    ("part", "option", "value"),
    [("train", "beta", 0.5), ("train", "head_learning_rate", 1e-3), ("data", "labels", ["a", "b"])],
)
def test_an_option_of_another_task_is_a_warning(part: str, option: str, value: Any) -> None:
    assert f"{part}.{option} does nothing where task is causal-lm" in warned(**{part: {option: value}}).text


def test_a_lowest_rank_above_the_rank_blocks() -> None:
    (problem,), _ = checked(adapter={"method": "dylora", "rank": 4, "rank_schedule": {"kind": "dylora", "lowest": 8}})

    assert "from 8 on, and the largest is 4" in problem.text


def test_an_evaluation_that_never_comes_is_a_warning() -> None:
    assert "once, at the end" in warned(train={"steps": 32}).text
    assert warned(data={"held_out": 0}).path == "data.held_out"
    assert checked(data={"held_out": 0}, train={"evaluate_every": 0}) == ([], [])
    assert checked(data={"held_out": 0, "held_out_path": "h"}) == ([], [])


def test_a_rank_above_what_a_layer_can_hold_is_a_warning_that_says_how_many() -> None:
    warning = warned(adapter={"rank": 48})

    assert "in 6 of 21 layers (model.layers.0.self_attn.k_proj first)" in warning.text
    assert "At most 32" in warning.hint


def test_examples_longer_than_the_model_reads_are_a_warning() -> None:
    assert warned(data={"max_tokens": 2048}).path == "data.max_tokens"


def test_a_task_that_the_model_cannot_do_blocks() -> None:
    reader = replace(MODEL, writes_text=False, family="BERT")
    parts = {"model": {"path": "m"}, "data": {"path": "d"}, "train": {"device": "cpu", "prompts": ["Why?"]}}
    (problem,), _ = check_config(RunConfig.from_dict(parts), reader)
    assert (problem.path, "does not continue" in problem.text) == ("task", True)
    problems, (warning,) = check_config(RunConfig.from_dict({**parts, "task": "regression"}), reader)
    assert (problems, warning.path) == ([], "train.prompts")


def test_a_rank_for_a_layer_that_is_not_chosen_is_a_warning() -> None:
    warning = warned(adapter={"layers": "attention", "ranks": {"q_proj": 4, "down_proj": 16}})

    assert (warning.path, "'down_proj'" in warning.text) == ("adapter.ranks", True)


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        (replace(MODEL, parameters=10**12), "the model itself"),
        (replace(MODEL, hidden=10**8), "gradient_checkpointing"),
        (replace(MODEL, vocabulary=10**12), "train.batch"),
    ],
)
def test_a_run_that_does_not_fit_is_a_warning_that_says_what_takes_most(model: ModelInfo, hint: str) -> None:
    config = RunConfig.from_dict({"model": {"path": "m"}, "data": {"path": "d"}, "train": {"device": "cpu"}})

    problems, (warning,) = check_config(config, model)

    assert problems == []
    assert "GB free" in warning.text
    assert hint in warning.hint


def test_a_card_that_is_not_there_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "free_memory", lambda device: None)
    config = RunConfig.from_dict({"model": {"path": "m"}, "data": {"path": "d"}, "train": {"device": "cuda"}})

    assert check_config(config, replace(MODEL, parameters=10**12)) == ([], [])


class Giver(Component):
    """Provides something."""

    kind = "giver"
    label = "Giver"
    provides: ClassVar[frozenset[str]] = frozenset({"rank_owner"})


class Taker(Component):
    """Needs it."""

    kind = "taker"
    label = "Taker"
    needs: ClassVar[frozenset[str]] = frozenset({"rank_owner"})


def test_a_need_is_met_by_another_member_and_not_by_oneself() -> None:
    assert list(unmet({"adapter.delta": Giver(), "adapter.magnitude": Taker()})) == []
    (problem,) = unmet({"adapter.magnitude": Taker()})

    assert problem.path == "adapter.magnitude"
    assert problem.text == "adapter.magnitude 'taker' needs rank owner, which nothing else here provides."


@pytest.mark.parametrize("method", ["qlora", "qdora", "qdvora", "qdylora"])
def test_what_needs_the_base_as_numbers_is_refused_over_a_quantised_one(method: str) -> None:
    class Editor(Giver):
        """Changes the base weights themselves."""

        label = "Editor"
        needs: ClassVar[frozenset[str]] = frozenset({"float_base"})

    chosen = members(RunConfig.from_dict({"adapter": {"method": method}})) | {"adapter.init": Editor()}
    (problem,) = unmet(chosen)

    assert problem.path == "adapter.init"
    assert "needs base weights in floating point" in problem.text
    assert problem.hint.startswith("Set model.storage to dense, or adapter.init to default")
    assert not list(unmet(chosen | {"model.storage": STORAGES.default()}))


@pytest.mark.parametrize(
    ("adapter", "storage", "need"),
    [
        ({"method": "full"}, "nf4", "base weights in floating point"),
        ({"method": "full", "scale": "alpha/r"}, "dense", "a scale of 1"),
        ({"method": "pissa"}, "int8", "base weights in floating point"),
        ({"method": "olora"}, "nf4-double", "base weights in floating point"),
        ({"method": "pissa", "rank_schedule": "dylora"}, "dense", "ranks that stay"),
        ({"method": "olora", "selection": "lora-drop"}, "dense", "an adapter of each layer's own"),
        ({"method": "adalora", "init": "pissa"}, "dense", "factors of each layer's own"),
        ({"method": "vera", "init": "pissa"}, "dense", "factors of each layer's own"),
        ({"method": "loha", "magnitude": "row"}, "dense", "a change of the form B A"),
        ({"method": "lokr", "rates": "lora+"}, "dense", "both factors A and B to be trained"),
        ({"method": "loha", "rank_schedule": "dylora"}, "dense", "factors that can be cut to any rank"),
    ],
)
def test_what_contradicts_itself_is_refused_in_words(adapter: dict[str, str], storage: str, need: str) -> None:
    problems, _ = checked(adapter=adapter, model={"storage": storage})

    assert any(need in problem.text and problem.hint for problem in problems)


@pytest.mark.parametrize("adapter", [{"method": "lora-fa", "init": "pissa"}, {"method": "dora", "init": "olora"}])
def test_a_start_from_the_weight_goes_with_a_frozen_a_and_with_row_lengths(adapter: dict[str, str]) -> None:
    assert checked(adapter=adapter)[0] == []


@pytest.mark.parametrize("storage", ["nf4", "nf4-double", "int8"])
@pytest.mark.parametrize("method", ["rslora", "lora+", "lora-fa", "vera", "adalora", "delta-lora", "dylora", "dora"])
def test_every_method_that_leaves_the_base_alone_goes_over_a_quantised_one(method: str, storage: str) -> None:
    adapter, train = {"method": method, "rank": 4}, {"learning_rate": 1e-3}
    assert checked(adapter=adapter, model={"storage": storage}, train=train) == ([], [])


def test_an_optimizer_that_does_nothing_special_here_is_a_warning() -> None:
    if not kernels.installed():
        pytest.skip("bitsandbytes is not installed here")
    assert "nothing to page" in warned(train={"optimizer": "paged-adamw-8bit"}).text
    assert checked(train={"optimizer": "adamw-8bit"}) == ([], [])


def test_plain_options_take_part() -> None:
    assert list(unmet({"adapter.magnitude": Taker()}, frozenset({"rank_owner"}))) == []
    problems, _ = checked(adapter={"method": "delta-lora", "dropout": 0.1})

    assert [problem.hint for problem in problems] == ["Set adapter.dropout to 0, or adapter.base_update to frozen."]


def test_real_members_that_do_not_fit_are_named_with_what_would() -> None:
    problems, _ = checked(adapter={"method": "vera", "scale": "alpha/r"})

    assert [problem.path for problem in problems] == ["adapter.delta"]
    assert "adapter.scale to 1" in problems[0].hint
