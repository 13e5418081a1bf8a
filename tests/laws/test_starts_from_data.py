"""Starts that look at the data first: EVA and LoRA-GA, against peft, direct computation, and an interrupted run.

EVA is peft's to the last direction. LoRA-GA differs from peft on purpose: the paper and its authors' code scale both
factors alike and leave the singular values out, where peft multiplies B by them and scales B alone, so that B's size
depends on how large the loss happens to be. The directions are the same.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from core import worker
from core.adapters.attach import Adapters, attach
from core.adapters.axis import Found
from core.adapters.init.eva import Eva
from core.adapters.init.leading import leading
from core.adapters.init.lora_ga import LoraGa
from core.adapters.init.principal import Principal
from core.adapters.scale import SCALES
from core.adapters.sight import Sight
from core.adapters.state import read
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig
from core.data.batches import IGNORED, Batch
from core.events import StageChanged
from core.export.job import export_job
from core.home import Home
from core.insight.opened import Opened
from core.layers import LayerPlan
from core.models.walk import walk
from core.store.store import Store
from core.train.starting import counted
from tests.laws.world import tokens
from tests.tiny import random_model
from tests.whole.small_runs import create

# peft 0.21 asks transformers 5 by a name that is on its way out.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:lora with eva initialization used with low_cpu_mem_usage:UserWarning"),
    pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning"),
]

RANK, ALPHA = 4, 6.0
APART = ("q_proj", "o_proj", "down_proj")
"""Layers that are each fed something of their own."""


def batches(count: int = 4) -> list[dict[str, torch.Tensor]]:
    """Rows of tokens, some of which are not learned from."""
    found = []
    for place in range(count):
        ids = tokens(3, 24, seed=place)
        labels = ids.clone()
        labels[:, : 4 + place] = IGNORED
        found.append({"input_ids": ids, "labels": labels})
    return found


def sighted(
    model: nn.Module, targets: tuple[str, ...], *, repeated: int = 1, **adapter: Any
) -> tuple[Sight, list[LayerPlan]]:
    """Our look at those batches."""
    config = AdapterConfig(rank=RANK, alpha=ALPHA, layers=targets, **adapter)
    plans = [LayerPlan(layer, RANK, ALPHA) for layer in walk(model) if layer.name.endswith(targets)]
    adapters = attach(model, plans, config, seed=0, storage=STORAGES.default())

    def loss(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        found: torch.Tensor = model(**batch).loss
        return found

    # Again and again, as peft takes them until all directions rest.
    return Sight(adapters, batches() * repeated, loss, lambda batch: batch["labels"] != IGNORED), plans


def eva(model: nn.Module, targets: tuple[str, ...], init: Eva, *, repeated: int = 20) -> Found:
    sight, plans = sighted(model, targets, repeated=repeated, init=init)
    try:
        return init.seen(sight, plans, SCALES.default())
    finally:
        sight.adapters.detach()


@pytest.mark.parametrize(("rho", "tau"), [(2.0, 0.5), (2.0, 0.9), (1.0, 0.9)])
def test_evas_directions_ranks_and_alphas_are_pefts(rho: float, tau: float) -> None:
    model = random_model("llama")
    settings = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=list(APART), init_lora_weights="eva",
        eva_config=peft.EvaConfig(rho=rho, tau=tau),
    )  # fmt: skip
    theirs = peft.get_peft_model(copy.deepcopy(model), settings)
    peft.initialize_lora_eva_weights(theirs, batches(), show_progress_bar=False)
    ours = eva(model, APART, Eva(rho=rho, tau=tau))

    adapted = {name for name, module in theirs.named_modules() if hasattr(module, "lora_A")}
    assert adapted == {f"base_model.model.{plan.name}" for plan in ours.plans}
    assert sum(plan.rank for plan in ours.plans) == RANK * 3 * 2
    assert (len({plan.rank for plan in ours.plans}) > 1) == (rho > 1)
    for plan in ours.plans:
        module = theirs.get_submodule(f"base_model.model.{plan.name}")
        assert plan.rank == module.r["default"]
        assert plan.alpha == pytest.approx(module.lora_alpha["default"])
        assert plan.alpha / plan.rank == pytest.approx(ALPHA / RANK)
        assert torch.allclose(ours.values[f"{plan.name}.a"], module.lora_A["default"].weight, atol=1e-4), plan.name


def test_layers_that_are_fed_the_same_start_the_same_and_eva_says_what_still_turns() -> None:
    found = eva(random_model("llama"), ("q_proj", "k_proj", "v_proj"), Eva(rho=1.0, tau=1.0), repeated=2)
    by_suffix = {plan.layer.suffix: found.values[f"{plan.name}.a"] for plan in found.plans if plan.layer.block == 0}

    assert torch.equal(by_suffix["q_proj"], by_suffix["k_proj"]) and torch.equal(
        by_suffix["q_proj"], by_suffix["v_proj"]
    )
    assert found.notes == ("EVA: the directions of 6 of 6 layers still turned after 8 batches.",)


def test_eva_looks_on_while_its_batches_have_fewer_tokens_than_it_wants_directions() -> None:
    sight, plans = sighted(random_model("llama"), APART)
    looks: list[float] = []
    few = replace(sight, counted=lambda batch: batch["labels"].ne(IGNORED).cumsum(1) == 1, tell=looks.append)
    Eva(rho=2.0, tau=1.0).seen(few, plans, SCALES.default())

    assert looks == [0.0, 0.25, 0.5, 0.75]
    looks.clear()
    Eva(rho=1.0, tau=-1.0).seen(replace(sight, tell=looks.append), plans, SCALES.default())

    assert looks == [0.0, 0.25], "at rest as soon as there is something to compare with"


def test_directions_are_of_full_precision_where_the_model_computes_in_less() -> None:
    model, plain = random_model("llama"), Eva(rho=1.0, batches=4)
    whole = eva(model, ("layers.0.self_attn.q_proj",), plain, repeated=1)
    sight, plans = sighted(model, ("layers.0.self_attn.q_proj",))

    def loss(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return sight.loss(batch)

    found = plain.seen(replace(sight, loss=loss), plans, SCALES.default())

    # The first layer is fed the embedding, which autocast leaves as it is.
    assert found.values.keys() == whole.values.keys()
    assert all(torch.equal(value, whole.values[key]) for key, value in found.values.items())


def test_a_root_scale_stays_as_well_when_the_rank_changes() -> None:
    sight, plans = sighted(random_model("llama"), APART)
    scale = SCALES["alpha/sqrt(r)"]()
    found = Eva().seen(sight, plans, scale)

    assert {round(scale.of(plan.alpha, plan.rank), 9) for plan in found.plans} == {round(scale.of(ALPHA, RANK), 9)}


def test_principal_directions_in_batches_are_those_of_all_rows_together() -> None:
    rows = torch.randn(300, 12, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 13) + 5.0
    found = Principal(12)
    for part in rows.split([100, 7, 93, 100]):
        found.add(part)
    found.finish()
    centred = rows - rows.mean(0)
    _, lengths, directions = torch.linalg.svd(centred.double(), full_matrices=False)

    assert torch.allclose((found.directions.double() * directions).sum(1).abs(), torch.ones(12).double(), atol=1e-4)
    assert torch.allclose(found.shares, lengths**2 / (lengths**2).sum(), atol=1e-5)


def gradient_start(model: nn.Module) -> tuple[Found, dict[str, torch.Tensor]]:
    """LoRA-GA's first values, and the gradients of the weights by ordinary means."""
    init = LoraGa()
    sight, plans = sighted(model, APART, init=init)
    found = init.seen(sight, plans, SCALES.default())
    sight.adapters.detach()
    weights = {plan.name: model.get_submodule(plan.name).weight.requires_grad_(True) for plan in plans}
    for batch in batches():
        model(**batch).loss.backward()
    return found, {name: weight.grad for name, weight in weights.items()}


def test_lora_ga_starts_with_the_papers_factors_of_the_gradient() -> None:
    found, gradients = gradient_start(random_model("llama"))
    for plan in found.plans:
        u, _, vh = torch.linalg.svd(gradients[plan.name])
        size = plan.layer.out_features**0.25 / 16**0.5
        a, b = found.values[f"{plan.name}.a"] / size, found.values[f"{plan.name}.b"] / size
        one = torch.ones(RANK)

        assert torch.allclose((a * vh[:RANK]).sum(1).abs(), one, atol=1e-2), plan.name
        assert torch.allclose((b * u[:, RANK : 2 * RANK]).sum(0).abs(), one, atol=1e-2), plan.name
        assert torch.equal(found.values[f"{plan.name}.start_a"], found.values[f"{plan.name}.a"])


def test_lora_gas_directions_are_pefts() -> None:
    model = random_model("llama")
    settings = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=list(APART), init_lora_weights="lora_ga",
        lora_ga_config=peft.LoraGAConfig(),
    )  # fmt: skip
    judged = copy.deepcopy(model)

    def run() -> None:
        for batch in batches():
            judged(**batch).loss.backward()

    judged.eval()
    peft.tuners.lora.loraga.preprocess_loraga(judged, settings, run)
    torch.manual_seed(42)
    theirs = peft.get_peft_model(judged, settings)
    found, _ = gradient_start(model)
    for plan in found.plans:
        module = theirs.get_submodule(f"base_model.model.{plan.name}")
        for key, theirs_factor in (("a", module.lora_A["default"].weight), ("b", module.lora_B["default"].weight.T)):
            mine = found.values[f"{plan.name}.{key}"]
            cosines = nn.functional.cosine_similarity(mine if key == "a" else mine.T, theirs_factor)
            assert torch.allclose(cosines.abs(), torch.ones(RANK), atol=2e-2), (plan.name, key)


def test_the_first_step_of_lora_ga_goes_along_the_gradient_where_loras_is_blind() -> None:
    """What the start is for: the first change of the weight turns towards the full gradient."""
    cosines = {}
    for method in ("lora", "lora-ga"):
        model = random_model("llama")
        found, gradients = gradient_start(model)
        model.requires_grad_(False)
        config = AdapterConfig(method=method, rank=RANK, alpha=ALPHA, layers=APART)
        adapters = attach(model, found.plans, config, seed=0, storage=STORAGES.default())
        if method == "lora-ga":
            adapters.take(found.values)
        for batch in batches():
            model(**batch).loss.backward()
        with torch.no_grad():
            for parameter in adapters.parameters():
                parameter -= 1e-3 * parameter.grad
        cosines[method] = _cosine(adapters, gradients)

    assert cosines["lora-ga"] > cosines["lora"] + 0.2


def _cosine(adapters: Adapters, gradients: dict[str, torch.Tensor]) -> float:
    pairs = [(layer.delta_weight(), -gradients[name]) for name, layer in adapters.layers.items()]
    return sum(float(nn.functional.cosine_similarity(one.flatten(), other.flatten(), 0)) for one, other in pairs) / len(
        pairs
    )


def test_leading_directions_are_the_same_at_every_call_and_disturb_nothing() -> None:
    matrix = torch.randn(40, 30, generator=torch.Generator().manual_seed(3))
    before = torch.get_rng_state()
    one, other = leading(matrix, 8), leading(matrix, 8)

    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("width", [8, 30])
def test_leading_directions_and_lengths_make_up_the_matrix_searched_or_decomposed_in_full(width: int) -> None:
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(40, 4, generator=generator).double() @ torch.randn(4, 30, generator=generator).double()
    u, s, vh = leading(matrix, width)

    torch.testing.assert_close((u * s) @ vh, matrix)
    assert bool((vh[:4].gather(1, vh[:4].abs().argmax(1, keepdim=True)) > 0).all())


def test_all_of_a_judged_text_counts_and_of_others_what_is_learned() -> None:
    ids = torch.ones(1, 4, dtype=torch.int64)
    labels, texts = torch.tensor([[IGNORED, IGNORED, 1, IGNORED]]), torch.tensor([[0, 0, 0, -1]])
    batch = Batch(ids, labels, None, None, tokens=3, trained=1, texts=texts)
    judged = Batch(ids, labels, None, None, tokens=3, trained=1, texts=texts, goals=torch.ones(1))

    assert counted(batch).tolist() == [[False, False, True, False]]
    assert counted(judged).tolist() == [[True, True, True, False]]


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    store = Store(home)
    yield store
    store.close()


@pytest.mark.parametrize("method", ["eva", "lora-ga"])
def test_a_stopped_run_goes_on_from_its_start_without_another_look(store: Store, tmp_path: Path, method: str) -> None:
    parts: dict[str, Any] = {
        "adapter": {"method": method, "dropout": 0.1, "layers": "attention"},
        "train": {"steps": 6, "evaluate_every": 0, "checkpoint_every": 3},
    }
    whole, broken = create(store, tmp_path, **parts), create(store, tmp_path, **parts)
    assert worker.main(store.home, whole) == 0
    assert worker.main(store.home, broken) == 0
    last = store.home.run(broken) / "checkpoints/step-000006"
    (last / "adapter/adapter.safetensors").write_bytes(b"")
    assert worker.main(store.home, broken, resume=True) == 0

    path = "checkpoints/step-000006/adapter/adapter.safetensors"
    assert (store.home.run(broken) / path).read_bytes() == (store.home.run(whole) / path).read_bytes()
    stages = [event.text for _, _, event in store.events(broken) if isinstance(event, StageChanged)]
    starts = [place for place, text in enumerate(stages) if text == "Starting"]
    assert any("for the start" in text for text in stages[: starts[1]])
    assert not any("for the start" in text for text in stages[starts[1] :])
    opened = Opened.at(store.run(whole), store.checkpoints(whole)[-1])
    gone = float(opened.moved(opened.layers[0].name).norm())
    assert 0 < gone < 1
    assert store.vectors(whole, "from_start")[1][-1][0] == pytest.approx(gone, rel=1e-4)


@pytest.mark.parametrize("method", ["eva", "lora-ga"])
def test_what_was_trained_from_such_a_start_is_exported(store: Store, tmp_path: Path, method: str) -> None:
    run = create(store, tmp_path, adapter={"method": method}, train={"steps": 3})
    assert worker.main(store.home, run) == 0

    for form in ("adapter", "merged"):
        body = {"run": run, "to": form, "out": str(tmp_path / form), "verify": True}
        verified = export_job(store.home, body, lambda text, share: None)["verified"]
        assert verified["max_logit_gap"] < 1e-4 and verified["token_agreement"] == 1
    saved = read(store.checkpoints(run)[-1].folder / "adapter")
    tensors = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    ranks = {plan.name: plan.rank * (2 if method == "lora-ga" else 1) for plan in saved.plans}
    assert {name: len(tensors[f"base_model.model.{name}.lora_A.weight"]) for name in ranks} == ranks
