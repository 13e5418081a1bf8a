"""BitFit and norm tuning: full fine-tuning of a model's vectors, under the laws that hold for matrices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForMaskedLM, RobertaConfig

from core import worker
from core.adapters import state
from core.adapters.attach import Adapters, attach
from core.adapters.storage import STORAGES
from core.commandline.examination import examine
from core.config.check import check_config
from core.config.forecast import count
from core.config.run import AdapterConfig, RunConfig
from core.config.select import select, trained
from core.errors import UserError
from core.export.job import export_job
from core.export.merged import merge
from core.export.saved import open_adapter
from core.home import Home
from core.layers import LayerInfo, LayerPlan
from core.models.catalog import describe
from core.models.families import family_of
from core.models.vectors import vectors_of
from core.store.store import Store
from tests.laws.world import logits
from tests.tiny import LANGUAGE_FAMILIES, random_model, tiny_model
from tests.whole.small_runs import create, write_examples

JUDGED = pytest.mark.parametrize(
    ("family", "method"),
    [("llama", "norm-tuning"), ("gpt2", "bitfit"), ("gpt2", "norm-tuning"), ("gpt_neox", "bitfit"), ("bert", "bitfit")],
)


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def vectors(model: nn.Module) -> tuple[LayerInfo, ...]:
    return vectors_of(family_of(model.config.model_type), shapes(model))


def adapted(model: nn.Module, method: str) -> Adapters:
    """Adapters on all biases, or all norms, of a model in float64."""
    config = AdapterConfig(method=method)
    selection: Any = config.axis("selection")
    chosen = [LayerPlan(LayerInfo(f"any.{block}", "q", block, 4, 4), 4, 4.0) for block in (0, 1)]
    plans = selection.candidates(chosen, vectors(model))
    adapters = attach(model.double(), plans, config, seed=0, storage=STORAGES.default())
    for layer in adapters.layers.values():
        layer.own = nn.ParameterDict({key: nn.Parameter(value.double()) for key, value in layer.own.items()})
    return adapters


def moved(adapters: Adapters) -> None:
    """As if it had learned."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in adapters.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype), alpha=0.1)


@pytest.mark.parametrize("family", [*LANGUAGE_FAMILIES, "bert", "roberta", "qwen3_moe"])
def test_headers_and_the_model_in_memory_agree_on_its_vectors(family: str, tmp_path: Path) -> None:
    info, model = describe(tiny_model(family, tmp_path)), random_model(family)
    parameters = dict(model.named_parameters())

    assert info.vectors == vectors(model)
    assert all(parameters[vector.name].shape == (vector.out_features,) for vector in info.vectors)
    inside = {name for name, p in parameters.items() if p.ndim == 1 and ".0." in name}
    assert inside == {vector.name for vector in info.vectors if vector.block == 0}
    assert any(vector.role == "norm" and vector.block is None for vector in info.vectors)


def test_the_counts_are_the_published_ones() -> None:
    """BitFit's 0.1M of RoBERTa-base (the LoRA paper's table 2), and the 0.004 % of LLaMA-7B that are norms."""
    with torch.device("meta"):
        roberta = AutoModelForMaskedLM.from_config(RobertaConfig())
    biases = [vector for vector in vectors(roberta) if vector.name.endswith(".bias")]
    llama = {f"model.layers.{n}.{norm}.weight": (4096,) for n in range(32) for norm in ("input_layernorm", "ln_2")}
    norms = vectors_of(family_of("llama"), {**llama, "model.norm.weight": (4096,)})

    assert sum(vector.parameters for vector in biases) == 12 * (4 * 768 + 3072 + 768 + 2 * 768) + 768 == 102_144
    assert sum(vector.parameters for vector in norms) == 65 * 4096 == 266_240


@JUDGED
def test_a_fresh_one_is_the_base_and_switched_off_it_is_so_bit_for_bit(family: str, method: str) -> None:
    model = random_model(family).double()
    expected = logits(model)
    adapters = adapted(model, method)

    assert torch.equal(logits(model), expected)
    moved(adapters)
    assert not torch.allclose(logits(model), expected)
    with adapters.disabled():
        assert torch.equal(logits(model), expected)


@JUDGED
def test_only_the_vectors_learn_and_the_base_stays(family: str, method: str) -> None:
    model = random_model(family).double()
    before = {name: (parameter, parameter.clone()) for name, parameter in model.named_parameters()}
    kinds = {name: type(module) for name, module in model.named_modules()}
    wanted = logits(model).detach().roll(1, dims=-1)
    adapters = adapted(model, method)
    optimizer = torch.optim.AdamW(adapters.parameters(), lr=1e-2)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(logits(model), wanted)
        loss.backward()
        assert all(parameter.grad is not None for parameter in adapters.parameters())
        optimizer.step()
        losses.append(loss.item())
    adapters.detach()

    assert losses[-1] < losses[0]
    assert {name: type(module) for name, module in model.named_modules()} == kinds
    for name, parameter in model.named_parameters():
        assert parameter is before[name][0] and torch.equal(parameter, before[name][1]) and parameter.grad is None, name


@JUDGED
def test_merged_vectors_give_the_adapted_output(family: str, method: str, tmp_path: Path) -> None:
    model = random_model(family).double()
    adapters = adapted(model, method)
    moved(adapters)
    expected = logits(model)
    state.save(adapters, tmp_path)
    again = state.reattach(random_model(family), tmp_path)
    assert torch.allclose(logits(again.model).double(), expected, atol=1e-5)
    assert again.count() == count([layer.plan for layer in adapters.layers.values()], adapters.config)

    adapters.detach()
    with torch.no_grad():
        for name, layer in open_adapter(tmp_path).layers.items():
            values = model.get_parameter(name)
            values.copy_(merge(layer, values.clone()))
    assert torch.allclose(logits(model), expected, atol=1e-6)


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    store = Store(home)
    yield store
    store.close()


@pytest.mark.parametrize(("family", "method"), [("llama", "norm-tuning"), ("gpt2", "bitfit")])
def test_a_run_trains_goes_on_to_the_bit_and_is_merged(store: Store, tmp_path: Path, family: str, method: str) -> None:
    tiny_model(family, tmp_path / "model")
    write_examples(tmp_path / "data.jsonl")
    parts: dict[str, Any] = {"adapter": {"method": method}, "train": {"steps": 6, "checkpoint_every": 3}}
    whole, broken = create(store, tmp_path, **parts), create(store, tmp_path, **parts)
    assert worker.main(store.home, whole) == 0 and worker.main(store.home, broken) == 0
    path = "checkpoints/step-000006/adapter/adapter.safetensors"
    (store.home.run(broken) / path).write_bytes(b"")
    assert worker.main(store.home, broken, resume=True) == 0

    assert (store.home.run(broken) / path).read_bytes() == (store.home.run(whole) / path).read_bytes()
    assert store.vectors(whole, "delta_norm")[1][-1].min() > 0
    body = {"run": whole, "to": "merged", "out": str(tmp_path / "merged"), "verify": True}
    verified = export_job(store.home, body, lambda text, share: None)["verified"]
    assert verified["max_logit_gap"] < 1e-4 and verified["token_agreement"] == 1
    for form in ("adapter", "lora"):
        with pytest.raises(UserError, match="no format of adapters holds"):
            export_job(store.home, {**body, "to": form, "out": str(tmp_path / form)}, lambda text, share: None)


def test_a_model_in_bfloat16_learns_in_float32() -> None:
    model = random_model("llama").bfloat16()
    config = AdapterConfig(method="norm-tuning")
    plans = [LayerPlan(vector, 1, 1.0) for vector in vectors(model) if vector.role == "norm"]
    adapters = attach(model, plans, config, seed=0, storage=STORAGES.default())
    logits(model).float().square().mean().backward()

    assert all(parameter.dtype == torch.float32 and parameter.grad is not None for parameter in adapters.parameters())
    assert logits(model).dtype == torch.bfloat16


def test_check_counts_what_is_trained_and_says_where_there_is_nothing(home: Home, tmp_path: Path) -> None:
    tiny_model("llama", tmp_path / "model")
    write_examples(tmp_path / "data.jsonl")
    config = RunConfig.from_dict(
        {
            "model": {"path": str(tmp_path / "model")},
            "data": {"path": str(tmp_path / "data.jsonl")},
            "adapter": {"method": "norm-tuning", "layers": "*.0.self_attn.q_proj"},
        }
    )
    info = describe(tmp_path / "model")

    # Two norms of the chosen block, and the one behind the blocks.
    assert [plan.layer.block for plan in trained(info, config.adapter)] == [0, 0, None]
    assert examine(home, config).trainable_parameters == 3 * 32
    assert [plan.layer.suffix for plan in trained(info, config.adapter)][-1] == "norm"
    assert count(select(info.layers, config.adapter), config.adapter) == 0
    none = config.model_copy(update={"adapter": AdapterConfig(method="bitfit")})
    problems, _ = check_config(none, info)
    assert [problem.path for problem in problems] == ["adapter.selection"]


def test_vectors_are_trained_whole_or_not_at_all() -> None:
    config = RunConfig.from_dict({"adapter": {"method": "lora", "selection": "norms"}})
    problems, _ = check_config(config, None)

    assert any("every number" in problem.text for problem in problems)
