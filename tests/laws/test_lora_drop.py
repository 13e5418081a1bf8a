"""LoRA-drop (variants.md 7): which layers are kept, what the others share, and that a run of it is like any other."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from core import worker
from core.adapters import state
from core.adapters.attach import Adapters, attach
from core.adapters.axis import Delta
from core.adapters.delta import DELTAS
from core.adapters.names import recognise
from core.adapters.selection.loradrop import LoraDrop
from core.adapters.storage import STORAGES
from core.commands import Command
from core.config.check import check_config
from core.config.forecast import count
from core.config.run import AdapterConfig, TrainConfig
from core.events import LayersChosen, RunStarted, StageChanged
from core.export.job import export_job
from core.home import Home
from core.insight.keeping import shares, threshold, top
from core.layers import LayerInfo, LayerPlan
from core.models.walk import walk
from core.optim.groups import groups
from core.optim.rates.lora_fa import Correction
from core.store.store import Store
from tests.tiny import random_model
from tests.whole.small_runs import create, small_config

LAYERS = [LayerInfo(f"blocks.{n}.{role}", role, n, 8, 8) for n in range(4) for role in ("q", "v")]  # type: ignore[arg-type]
SCORES = dict(zip((layer.name for layer in LAYERS), (4, 1, 3, 1, 2, 1, 1, 7), strict=True))


def test_the_kept_prefix_reaches_the_threshold_and_is_minimal() -> None:
    for share in (0.1, 0.5, 0.7, 0.71, 0.9, 0.99):
        kept = threshold(LAYERS, SCORES, share)
        for role in ("q", "v"):
            parts = shares({layer.name: SCORES[layer.name] for layer in LAYERS if layer.role == role})
            ours = sorted((parts[name] for name in kept if name in parts), reverse=True)
            assert sum(ours) >= share - 1e-12
            assert sum(ours[:-1]) < share


def test_a_threshold_of_one_keeps_every_layer_that_counts() -> None:
    scores = {**SCORES, LAYERS[0].name: 0.0}

    assert threshold(LAYERS, scores, 1.0) == {layer.name for layer in LAYERS[1:]}


def test_top_keeps_so_many_of_each_kind() -> None:
    assert top(LAYERS, SCORES, 1) == {"blocks.0.q", "blocks.3.v"}
    assert top(LAYERS, SCORES, 2, by_kind=False) == {"blocks.3.v", "blocks.0.q"}
    assert LoraDrop(top=1).keep([LayerPlan(layer, 2, 4) for layer in LAYERS], SCORES) == {"blocks.0.q", "blocks.3.v"}


def test_shares_add_to_one() -> None:
    assert sum(shares(SCORES).values()) == pytest.approx(1.0)
    assert shares({"a": -1.0, "b": float("nan"), "c": 2.0}) == {"a": 0.0, "b": 0.0, "c": 1.0}


def test_the_count_is_that_of_the_kept_and_of_one_pair_for_each_kind() -> None:
    layers = [LayerInfo(f"blocks.{n}.{role}", role, n, 768, 768) for n in range(12) for role in ("q", "v")]  # type: ignore[arg-type]
    candidates = [LayerPlan(layer, 8, 16) for layer in layers]
    kept = {layer.name for layer in layers if layer.block is not None and layer.block < 6}

    assert count(LoraDrop().arranged(candidates, kept), AdapterConfig()) == 172_032
    assert count(LoraDrop(share="none").arranged(candidates, kept), AdapterConfig()) == 2 * 6 * 8 * 1536
    assert count(LoraDrop(share="frozen").arranged(candidates, kept), AdapterConfig()) == 2 * 6 * 8 * 1536
    assert count(candidates, AdapterConfig()) == 294_912


SHARED = [member for member in DELTAS.members if "rank" in member.provides]
"""What layers that were dropped can have together: every change that has a rank."""


def config(delta: type[Delta]) -> AdapterConfig:
    scale = "1" if "unit_scale" in delta.needs else "alpha/r"
    return AdapterConfig.model_validate({"rank": 4, "alpha": 6.0, "delta": delta.kind, "scale": scale})


@pytest.fixture(params=SHARED, ids=lambda member: member.kind)
def dropped(request: pytest.FixtureRequest) -> Adapters:
    """Adapters on a tiny Llama, of which only the first block keeps its own; not even all of that."""
    model = random_model("llama").requires_grad_(False)
    candidates = [LayerPlan(layer, 4, 6.0) for layer in walk(model) if layer.adaptable]
    kept = {plan.name for plan in candidates[1:] if plan.layer.block == 0}
    return attach(
        model, LoraDrop().arranged(candidates, kept), config(request.param), seed=1, storage=STORAGES.default()
    )


def logits(adapters: Adapters) -> torch.Tensor:
    found: torch.Tensor = adapters.model(input_ids=torch.arange(3, 19)[None]).logits
    return found


def sharing(adapters: Adapters) -> list[Any]:
    return [layer for layer in adapters.layers.values() if layer.plan.shared.startswith("q-")]


def test_dropped_layers_hold_the_same_numbers(dropped: Adapters) -> None:
    one, other = sharing(dropped)

    assert one.own.keys() == other.own.keys() and all(one.own[key] is other.own[key] for key in one.own)


def test_what_is_shared_is_once_in_the_optimizer_and_once_in_the_file(dropped: Adapters, tmp_path: Path) -> None:
    names = [name for name, _, _ in dropped.named_parameters()]
    grouped = [id(p) for group in groups(dropped, TrainConfig()) for p in group["params"]]
    state.save(dropped, tmp_path)
    with safe_open(tmp_path / state.TENSORS, framework="pt") as file:
        saved = set(file.keys())

    assert len(set(names)) == len(names) == len(grouped) == len(set(grouped))
    once = {id(tensor) for layer in dropped.layers.values() for tensor in layer.own.values()}
    for_all = {param.shared for layer in dropped.layers.values() for param in layer.delta.params(layer.plan).values()}
    assert set(names) <= saved and len(saved) == len(once) + len(for_all - {None})
    assert dropped.count() == count([layer.plan for layer in dropped.layers.values()], dropped.config)


def test_the_gradient_of_what_is_shared_is_the_sum_over_its_layers(dropped: Adapters) -> None:
    logits(dropped).square().mean().backward()
    trained = [key for key, parameter in sharing(dropped)[0].own.items() if parameter.requires_grad]
    together = [sharing(dropped)[0].own[key].grad.clone() for key in trained]
    apart = []
    for layer in sharing(dropped):
        dropped.model.zero_grad()
        others = [other for other in sharing(dropped) if other is not layer]
        for other in others:
            other.enabled = False
        logits(dropped).square().mean().backward()
        apart.append([layer.own[key].grad.clone() for key in trained])
        for other in others:
            other.enabled = True
    dropped.model.zero_grad()

    # Changes start at zero, so switching a layer off changes no activation and no other layer's gradient.
    for whole, *parts in zip(together, *apart, strict=True):
        assert torch.allclose(whole, sum(parts), rtol=1e-4, atol=1e-9)
    assert any(whole.abs().sum() > 0 for whole in together)


@pytest.mark.parametrize("dropped", [DELTAS["lora-fa"]], indirect=True)
def test_a_shared_gradient_is_corrected_once(dropped: Adapters) -> None:
    correction = Correction(dropped)
    correction.begin()
    logits(dropped).square().mean().backward()
    layer = sharing(dropped)[0]
    a, plain = layer.own["a"].double(), layer.own["b"].grad.double()

    correction.after_backward()

    wanted = plain @ torch.linalg.inv(a @ a.T) / layer.scale**2
    assert torch.allclose(layer.own["b"].grad.double(), wanted, rtol=1e-4, atol=1e-9)
    assert len(correction.vectors()["gradient_cosine"]) == len(dropped.layers)


def test_a_saved_adapter_comes_back_shared(dropped: Adapters, tmp_path: Path) -> None:
    with torch.no_grad():
        for parameter in dropped.parameters():
            parameter.add_(0.05)
    expected = logits(dropped)
    state.save(dropped, tmp_path)
    model = dropped.detach()
    again = state.reattach(model, tmp_path)

    one, other = sharing(again)
    assert all(one.own[key] is other.own[key] for key in one.own)
    assert torch.equal(logits(again), expected)


def test_a_merged_layer_has_the_shared_change_in_it(dropped: Adapters) -> None:
    with torch.no_grad():
        for parameter in dropped.parameters():
            parameter.add_(0.05)
    for layer in sharing(dropped):
        change = layer.delta.weight(layer.tensors()) * layer.scale
        assert torch.allclose(layer.merged_weight(), layer.base_weight() + change, atol=1e-6)


def test_its_name_is_recognised() -> None:
    config = AdapterConfig(method="lora-drop")

    members = {axis: config.axis(axis) for axis in (
        "delta", "scale", "magnitude", "init", "rates", "rank_schedule", "selection", "base_update"
    )}  # fmt: skip
    assert recognise(members, "dense") == "LoRA-drop"


DROP = {"method": "lora-drop", "rank": 2, "selection": {"kind": "lora-drop", "threshold": 0.4, "probe_steps": 3}}


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    store = Store(home)
    yield store
    store.close()


def test_a_run_goes_through_two_stages_and_trains_the_kept_layers(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, adapter=DROP)

    assert worker.main(store.home, run) == 0

    events = [event for _, _, event in store.events(run)]
    chosen = next(event for event in events if isinstance(event, LayersChosen))
    started = next(event for event in events if isinstance(event, RunStarted))
    assert any(isinstance(event, StageChanged) and event.text.startswith("Trying") for event in events)
    assert events.index(chosen) < events.index(started)
    assert sum(chosen.importance.values()) == pytest.approx(1.0)
    assert 0 < len(chosen.kept) < len(chosen.importance) == 14
    steps, losses = store.curve(run, "probe_loss")
    assert steps.tolist() == [1, 2, 3] and np.isfinite(losses).all()
    assert store.curve(run, "loss")[0].tolist() == [1, 2, 3, 4, 5, 6]
    at, importance = store.vectors(run, "importance")
    assert at.tolist() == [0]
    np.testing.assert_allclose(importance[0], [chosen.importance[layer.name] for layer in store.layers(run)], rtol=1e-6)
    saved = state.read(store.checkpoints(run)[-1].folder / "adapter")
    assert {plan.name for plan in saved.plans if not plan.shared} == set(chosen.kept)
    assert started.trainable_parameters == count(saved.plans, saved.config)


def test_a_resumed_run_does_not_probe_again_and_ends_bit_for_bit_the_same(store: Store, tmp_path: Path) -> None:
    parts = {"adapter": {**DROP, "dropout": 0.1}, "train": {"checkpoint_every": 2, "prompts": ["Define fox"]}}
    whole, broken = create(store, tmp_path, **parts), create(store, tmp_path, **parts)
    assert worker.main(store.home, whole) == 0
    store.command(broken, Command.STOP)
    assert worker.main(store.home, broken) == 0
    probed = len([e for _, _, e in store.events(broken) if isinstance(e, LayersChosen)])

    assert worker.main(store.home, broken, resume=True) == 0

    assert len([e for _, _, e in store.events(broken) if isinstance(e, LayersChosen)]) <= max(1, probed)
    adapters = [
        (store.home.run(run) / "checkpoints/step-000006/adapter/adapter.safetensors").read_bytes()
        for run in (whole, broken)
    ]
    assert adapters[0] == adapters[1]
    assert store.curve(broken, "probe_loss")[0].tolist() == [1, 2, 3]


def test_a_run_that_goes_on_from_a_checkpoint_never_probes_again(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, adapter={**DROP, "dropout": 0.1}, train={"checkpoint_every": 2})
    assert worker.main(store.home, run) == 0
    checkpoints = store.home.run(run) / "checkpoints"
    saved = checkpoints / "step-000006" / "adapter" / "adapter.safetensors"
    expected = saved.read_bytes()
    for later in ("step-000004", "step-000006"):
        shutil.rmtree(checkpoints / later)
    (store.home.run(run) / "selection.json").unlink()
    seen = store.last_seq()

    assert worker.main(store.home, run, resume=True) == 0

    again = [event for _, _, event in store.events(run, seen)]
    assert not [event for event in again if isinstance(event, LayersChosen)]
    assert not [event for event in again if isinstance(event, StageChanged) and event.text.startswith("Trying")]
    assert saved.read_bytes() == expected
    assert store.curve(run, "probe_loss")[0].tolist() == [1, 2, 3]


def test_the_second_stage_is_that_of_a_run_whose_layers_were_known(store: Store, tmp_path: Path) -> None:
    selection = {**DROP["selection"], "share": "none"}  # type: ignore[dict-item]
    dropped = create(store, tmp_path, adapter={**DROP, "selection": selection})
    assert worker.main(store.home, dropped) == 0
    names = [layer.name for layer in store.layers(dropped)]
    known = create(store, tmp_path, adapter={"method": "lora", "rank": 2, "layers": names})
    assert worker.main(store.home, known) == 0

    np.testing.assert_array_equal(store.curve(dropped, "loss")[1], store.curve(known, "loss")[1])


@pytest.mark.parametrize("to", ["adapter", "merged"])
def test_an_export_has_every_layer_with_its_own_or_the_shared_pair(store: Store, tmp_path: Path, to: str) -> None:
    run = create(store, tmp_path, adapter=DROP)
    assert worker.main(store.home, run) == 0
    body = {"run": run, "to": to, "out": str(tmp_path / "out"), "verify": True}

    verified = export_job(store.home, body, lambda text, share: None)["verified"]

    assert verified["max_logit_gap"] < 1e-4
    if to == "adapter":
        said = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
        with safe_open(tmp_path / "out" / "adapter_model.safetensors", framework="pt") as file:
            assert len(list(file.keys())) == 28
        assert said["r"] == 2


def test_a_choice_that_cannot_be_kept_is_trained_all_the_same(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.train.selecting.write_text", full)
    assert worker.main(store.home, create(store, tmp_path, adapter=DROP)) == 0


def test_a_damaged_choice_is_made_again(store: Store, tmp_path: Path) -> None:
    run = create(store, tmp_path, adapter=DROP)
    (store.home.run(run) / "selection.json").write_text("{", encoding="utf-8")

    assert worker.main(store.home, run) == 0
    assert any(isinstance(event, LayersChosen) for _, _, event in store.events(run))


def test_what_cannot_be_shared_is_said(tmp_path: Path) -> None:
    problems, _ = check_config(small_config(tmp_path, adapter={**DROP, "delta": "full", "scale": "1"}), None)

    assert any("share small factors, not a change of every number" in problem.text for problem in problems)
