"""What is forecast is what a real model takes: the count exactly, the weights exactly, the activations from above."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, BertConfig, BertForSequenceClassification, PreTrainedModel

from core.adapters.attach import attach
from core.adapters.storage import STORAGES
from core.adapters.storage.held import Held
from core.config.extent import Extent, extent
from core.config.forecast import GAPS, PROCESS, SLACK, Memory, count, forecast
from core.config.head import head_parameters
from core.config.run import RunConfig
from core.config.select import select
from core.data.batches import Batches
from core.data.summary import Spread
from core.data.tokens import Tokens
from core.models.catalog import describe
from core.models.judging import head_size
from core.models.load import load
from tests.tiny import LANGUAGE_FAMILIES, tiny_model

ROWS, COLUMNS = 4, 128


def config_of(**parts: Mapping[str, Any]) -> RunConfig:
    return RunConfig.from_dict(
        {
            "model": {"compute": "float32"},
            "data": {"max_tokens": COLUMNS},
            **parts,
            "train": {"batch": ROWS, "device": "cpu", **parts.get("train", {})},
        }
    )


def deep_model(family: str, folder: Path) -> Path:
    """Six blocks, so that what a block keeps stands out against what a pass keeps."""
    return tiny_model(family, folder, **{"n_layer" if family == "gpt2" else "num_hidden_layers": 6})


def opened(folder: Path) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.train()
    return model


def kept_by(model: PreTrainedModel) -> int:
    """Bytes that autograd keeps in one padded forward pass below the head, weights aside; each storage once."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    mask = torch.ones(ROWS, COLUMNS, dtype=torch.long)
    mask[0, COLUMNS // 2 :] = 0
    ids = torch.randint(0, 100, (ROWS, COLUMNS), generator=torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        last = model.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    assert last.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("family", LANGUAGE_FAMILIES)
def test_activations_are_forecast_from_above_and_not_wildly(family: str, tmp_path: Path) -> None:
    info = describe(deep_model(family, tmp_path))
    config = config_of()
    plans = select(info.layers, config.adapter)
    model = opened(tmp_path)
    weights = sum(parameter.numel() * 4 for parameter in model.parameters())

    attach(model, plans, config.adapter, seed=0, storage=config.storage)
    memory = forecast(info, plans, config)

    assert memory.weights == weights
    assert 1.0 <= memory.activations / SLACK["cpu"] / kept_by(model) <= 1.5


@pytest.mark.parametrize(
    "adapter",
    [
        {"layers": ["q_proj", "v_proj"]},
        {"layers": ["down_proj"], "rank": 64},
        {"layers": ["layers.4.*", "layers.5.*"]},
        {"dropout": 0.1},
        {"method": "dora"},
        {"method": "vera"},
        {"method": "lora-fa"},
        {"method": "adalora"},
    ],
)
def test_activations_follow_what_is_adapted(adapter: dict[str, Any], tmp_path: Path) -> None:
    info = describe(deep_model("llama", tmp_path))
    config = config_of(adapter=adapter)
    plans = select(info.layers, config.adapter)
    model = opened(tmp_path)

    attach(model, plans, config.adapter, seed=0, storage=config.storage)

    memory = forecast(info, plans, config)

    assert 1.0 <= memory.activations / SLACK["cpu"] / kept_by(model) <= 1.5


@pytest.mark.parametrize(
    "adapter",
    [
        {"rank": 4},
        {"layers": ["q_proj", "down_proj"], "ranks": {"layers.1.*": 2}},
        {"method": "rslora", "layers": "mlp"},
        {"method": "dora"},
        {"method": "vera"},
        {"method": "lora-fa"},
    ],
)
def test_the_count_is_that_of_the_attached_adapters(adapter: dict[str, Any], tmp_path: Path) -> None:
    info = describe(tiny_model("llama", tmp_path))
    config = config_of(adapter=adapter)
    plans = select(info.layers, config.adapter)

    adapters = attach(opened(tmp_path), plans, config.adapter, seed=0, storage=config.storage)

    assert count(plans, config.adapter) == adapters.count()


def llama_memory(folder: Path, **parts: Mapping[str, Any]) -> Memory:
    info = describe(folder)
    config = config_of(**parts)
    return forecast(info, select(info.layers, config.adapter), config)


def test_gradients_and_optimizer_follow_the_trained_numbers(tmp_path: Path) -> None:
    folder = tiny_model("llama", tmp_path)
    info, config = describe(folder), config_of()
    trained = count(select(info.layers, config.adapter), config.adapter)

    memory = llama_memory(folder)

    assert (memory.adapter, memory.gradients, memory.optimizer) == (trained * 4, trained * 4, trained * 8)
    assert memory.total == sum(value for name, value in memory.to_dict().items() if name != "total")


def test_gradient_checkpointing_a_smaller_batch_and_shorter_examples_each_take_less(tmp_path: Path) -> None:
    folder = deep_model("llama", tmp_path)
    before = llama_memory(folder)
    card = llama_memory(folder, train={"device": "cuda"}).activations

    assert llama_memory(folder, train={"gradient_checkpointing": True}).activations < before.activations
    assert llama_memory(folder, train={"gradient_checkpointing": True, "device": "cuda"}).activations < card / 2
    assert llama_memory(folder, train={"batch": 1}).total < before.total
    assert llama_memory(folder, data={"max_tokens": 16}).total < before.total


def test_half_precision_on_a_card_halves_the_weights(tmp_path: Path) -> None:
    folder = tiny_model("llama", tmp_path)
    full = llama_memory(folder, train={"device": "cuda"}, model={"compute": "float32"})

    half = llama_memory(folder, train={"device": "cuda"}, model={"compute": "bfloat16"})

    assert half.weights * 2 == full.weights
    assert half.activations < full.activations
    assert half.adapter == full.adapter


@pytest.mark.parametrize("storage", ["nf4", "nf4-double", "int8"])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_quantised_base_is_forecast_as_its_codes_and_one_layer_as_numbers(
    family: str, storage: str, tmp_path: Path
) -> None:
    info = describe(tiny_model(family, tmp_path))
    config = config_of(model={"compute": "float32", "storage": storage})
    model = load(tmp_path, compute=torch.float32, device="cpu", storage=config.storage).model
    held = [module for module in model.modules() if isinstance(module, Held)]
    codes = sum(tensor.nbytes for module in held for tensor in module.codes())
    rest = sum(parameter.nbytes for parameter in model.parameters() if parameter.is_floating_point())
    largest = max(module.shape.numel() for module in held) * 4

    found = forecast(info, [], config).weights

    assert found == pytest.approx(codes + rest + largest, rel=0.01)


def judged(task: str, labels: list[str]) -> tuple[RunConfig, dict[str, Any]]:
    """A run that judges texts, and what is known of its data."""
    return config_of(task=task), {"labels": dict.fromkeys(labels, 4)}  # type: ignore[arg-type]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3_text", "phi", "bert", "roberta"])
def test_a_head_that_judges_is_counted_with_its_gradient_and_its_optimizer(family: str, tmp_path: Path) -> None:
    info = describe(tiny_model(family, tmp_path))
    writes = config_of()
    plans = select(info.layers, writes.adapter)
    for task, labels in (("sequence-classification", ["a", "b", "c"]), ("regression", [])):
        config, report = judged(task, labels)
        head = head_size(tmp_path, labels)
        before, after = forecast(info, plans, writes), forecast(info, plans, config, report)
        assert head_parameters(info, config, report) == head > 0
        found = [getattr(after, part) - getattr(before, part) for part in ("adapter", "gradients", "optimizer")]
        assert found == [4 * head, 4 * head, 8 * head]
        assert after.logits < before.logits
    assert head_parameters(info, judged("sequence-classification", [])[0]) == head_size(tmp_path, ["a", "b"])


def test_a_pooler_of_the_folders_own_is_no_part_of_the_head(tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertForSequenceClassification(BertConfig(vocab_size=99, **sizes)).save_pretrained(tmp_path)
    config, report = judged("sequence-classification", ["a", "b", "c"])
    assert head_parameters(describe(tmp_path), config, report) == head_size(tmp_path, ["a", "b", "c"]) == 99


def test_a_file_that_lies_in_memory_while_it_is_loaded_is_counted_where_the_training_takes_less(tmp_path: Path) -> None:
    file = describe(deep_model("llama", tmp_path)).bytes
    few: Any = {"data": {"max_tokens": 8}, "adapter": {"layers": ["layers.5.*"], "rank": 1}}
    small, large = llama_memory(tmp_path, train={"batch": 1}, **few), llama_memory(tmp_path)
    card = llama_memory(tmp_path, train={"batch": 1, "device": "cuda"}, **few)

    assert small.total == PROCESS + small.weights + file
    assert small.total - small.needed == small.reclaimable > 0  # the system takes it back where memory is short
    assert large.total > PROCESS + large.weights + file and not large.reclaimable
    assert not card.process


def test_weights_that_are_worked_out_again_and_again_leave_gaps_on_a_processor(tmp_path: Path) -> None:
    info = describe(deep_model("llama", tmp_path))
    gaps = math.ceil(GAPS * sum(layer.parameters for layer in info.layers if layer.adaptable))

    def process(**parts: Any) -> int:
        memory = llama_memory(tmp_path, **parts)
        return memory.process - memory.reclaimable - PROCESS

    assert process() == process(adapter={"method": "full"}) == 0
    assert process(adapter={"method": "loha"}) == process(model={"storage": "int8"}) == gaps
    assert process(model={"storage": "nf4"}) == gaps + STORAGES["nf4"].library


def test_nothing_chosen_is_the_model_alone(tmp_path: Path) -> None:
    info = describe(tiny_model("llama", tmp_path))

    memory = forecast(info, [], config_of())

    assert memory.total == memory.weights + memory.process


def looked_at(lengths: list[int], targets: list[int]) -> dict[str, Any]:
    """The part of a data report that a forecast reads."""
    spread = [asdict(Spread.of(np.array(numbers, dtype=np.int64))) for numbers in (lengths, targets)]
    return {"tokenised": True, "lengths": spread[0], "targets": spread[1]}


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_largest_batch_is_near_the_one_that_the_run_lays_out(packing: bool, accumulate: int) -> None:
    generator = np.random.default_rng(3)
    lengths = [int(length) for length in generator.lognormal(3.5, 0.5, 400)]
    config = config_of(data={"max_tokens": 200, "packing": packing}, train={"accumulate": accumulate, "steps": 100})
    examples = [Tokens(np.ones(min(n, 200), np.int32), np.ones(min(n, 200), np.bool_)) for n in lengths]
    batches = Batches(examples, batch=ROWS, accumulate=accumulate, max_tokens=200, packing=packing)
    real = max(batch.input_ids.numel() for step in range(100) for batch in batches.micro_batches(step))

    found = extent(config, context=0, report=looked_at(lengths, lengths))

    assert found.measured and 0.85 <= found.tokens / real <= 1.2
    assert extent(config, context=128) == Extent(ROWS, 128, ROWS * 128)


def test_short_examples_take_less_than_the_longest_that_may_come(tmp_path: Path) -> None:
    info = describe(tiny_model("llama", tmp_path))
    config = config_of()
    plans = select(info.layers, config.adapter)
    worst, real = forecast(info, plans, config), forecast(info, plans, config, looked_at([20] * 50, [5] * 50))
    assert real.activations < worst.activations / 4 and real.logits < worst.logits / 4
    assert (real.weights, real.adapter) == (worst.weights, worst.adapter)
    assert forecast(info, plans, config, {**looked_at([20], [5]), "tokenised": False}) == worst
