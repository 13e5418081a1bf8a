"""Delta-LoRA: the base that is never touched moves exactly as the paper's would (variants.md 9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core import worker
from core.adapters import state
from core.adapters.attach import Adapters
from core.adapters.base.following import Following, Follows
from core.adapters.base.in_place import Moving
from core.adapters.delta import DELTAS
from core.adapters.storage import STORAGES
from core.config.combine import facts, members, unmet
from core.config.run import RunConfig
from core.export.job import export_job
from core.home import Home
from core.store.store import Store
from tests.laws.test_rank_schedules import attached, loss_of
from tests.laws.world import widen
from tests.tiny import random_model
from tests.whole.small_runs import create

STEPS, RATIO = 6, 2.0
IN_PLACE = "delta-lora-in-place"
FOLLOWED = [member.kind for member in DELTAS.members if "factors" in member.provides]
BOTH = pytest.mark.parametrize("method", ["delta-lora", IN_PLACE])


def train(adapter: dict[str, Any], *, begin: int | None, epsilon: float = 1e-8) -> Adapters:
    """Six AdamW steps in float64; `begin` is the 0-based step at which the base begins to follow."""
    ours, _ = attached(4, **adapter)
    ours.model.double()
    widen(ours)
    kind = Moving if adapter["method"] == IN_PLACE else Following
    following = None if begin is None else kind(RATIO, begin, ours)
    optimizer = torch.optim.AdamW(ours.parameters(), lr=1e-2, eps=epsilon, weight_decay=0.1)
    for step in range(STEPS):
        if following:
            following.before_step(step)
        optimizer.zero_grad()
        loss_of(ours.model).backward()
        if following:
            following.before_optimizer()
        optimizer.step()
        if following:
            following.after_optimizer()
    return ours


def merged(adapters: Adapters) -> dict[str, torch.Tensor]:
    """The weights that each layer computes with, in float64."""
    found = {}
    for name, layer in adapters.layers.items():
        changed = layer.base_update.weight(layer)
        b, a = layer.factors() if changed is None else layer.delta.factors(layer.tensors())
        found[name] = (layer.present_weight() + layer.scale * b @ a).detach()
    return found


@pytest.mark.parametrize(("method", "delta"), [*(("delta-lora", kind) for kind in FOLLOWED), (IN_PLACE, "lora")])
def test_both_forms_are_the_papers_algorithm(method: str, delta: str) -> None:
    """The algorithm box, literally: W is changed in place after each step beyond tau."""
    parts = {"delta": delta, "scale": "1" if "unit_scale" in DELTAS[delta].needs else "alpha/r"}
    ours = train({"method": method, **parts}, begin=3)
    literal, _ = attached(4, **parts)
    literal.model.double()
    widen(literal)
    optimizer = torch.optim.AdamW(literal.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(STEPS):
        before = {name: layer.delta.weight(layer.tensors()).detach() for name, layer in literal.layers.items()}
        optimizer.zero_grad()
        loss_of(literal.model).backward()
        optimizer.step()
        if step >= 3:
            for name, layer in literal.layers.items():
                change = layer.delta.weight(layer.tensors()).detach() - before[name]
                layer.base.weight.data.add_(change, alpha=RATIO * layer.scale)

    expected = merged(literal)
    for name, weight in merged(ours).items():
        assert torch.allclose(weight, expected[name], atol=1e-12), name


@BOTH
def test_the_base_stays_bit_for_bit_and_before_tau_it_is_lora(method: str) -> None:
    lora, late = train({"method": "lora"}, begin=None), train({"method": method}, begin=STEPS)
    fresh = random_model("llama").double()
    moved = train({"method": method}, begin=1)

    for (name, one), (_, other) in zip(merged(lora).items(), merged(late).items(), strict=True):
        assert torch.equal(one, other), name
    for name, layer in moved.layers.items():
        assert torch.equal(layer.base_weight(), fresh.get_submodule(name).weight), name
    with moved.disabled():
        assert torch.equal(loss_of(moved.model), loss_of(fresh))


@BOTH
def test_from_the_first_step_with_adam_it_is_lora_with_a_larger_alpha(method: str) -> None:
    follows = train({"method": method}, begin=0, epsilon=1e-30)
    larger, _ = attached(4, method="lora")
    for layer in larger.layers.values():
        object.__setattr__(layer.plan, "alpha", layer.plan.alpha * (1 + RATIO))
    larger.model.double()
    optimizer = torch.optim.AdamW(larger.parameters(), lr=1e-2, eps=1e-30, weight_decay=0.1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss_of(larger.model).backward()
        optimizer.step()

    expected = merged(larger)
    for name, weight in merged(follows).items():
        assert torch.allclose(weight, expected[name], atol=1e-9), name


@BOTH
@pytest.mark.parametrize(("init", "times"), [("default", 2), ("pissa", 4)])
def test_the_factors_of_the_whole_change_are_twice_as_many(method: str, init: str, times: int) -> None:
    ours = train({"method": method, "init": init}, begin=3)
    for layer in ours.layers.values():
        b, a = layer.factors()
        assert len(a) == times * 4
        # The dense change is formed in float32.
        assert torch.allclose(layer.scale * b @ a, layer.delta_weight().double(), atol=1e-6)


@BOTH
def test_a_saved_adapter_carries_the_bases_part(tmp_path: Path, method: str) -> None:
    ours = train({"method": method}, begin=2)
    ours.model.float()
    expected = loss_of(ours.model)
    state.save(ours, tmp_path)
    again = state.reattach(random_model("llama"), tmp_path, storage=STORAGES.default())

    assert torch.allclose(loss_of(again.model), expected, atol=1e-6)
    assert all(layer.carry == RATIO for layer in again.layers.values())


@BOTH
def test_ratio_and_begin_are_the_runs(method: str) -> None:
    kind = "delta-in-place" if method == IN_PLACE else "delta"
    update = {"kind": kind, "ratio": 3.0, "start": 0.5}
    config = RunConfig.from_dict({"adapter": {"method": method, "base_update": update}, "train": {"steps": 8}})
    member = config.adapter.axis("base_update")
    assert isinstance(member, Follows)
    (following,) = member.callbacks(attached(4, method=method)[0], config)

    assert isinstance(following, Following) and isinstance(following, Moving) == (method == IN_PLACE)
    assert (following.ratio, following.begin_at) == (3.0, 4)


@BOTH
def test_a_run_that_begins_from_another_keeps_what_the_base_has_taken_up(method: str) -> None:
    ours = train({"method": method}, begin=2)
    expected, change = loss_of(ours.model), {name: layer.delta_weight() for name, layer in ours.layers.items()}
    Following(RATIO, 0, ours).before_step(0)

    assert torch.equal(loss_of(ours.model), expected)
    assert all(torch.equal(layer.delta_weight(), change[name]) for name, layer in ours.layers.items())


def test_the_changed_weight_is_what_the_factors_at_tau_say() -> None:
    """The telescoping sum, and that what is stated against the base that was loaded is the whole change."""
    virtual = train({"method": "delta-lora"}, begin=2)
    for name, layer in train({"method": IN_PLACE}, begin=2).layers.items():
        pair = layer.base_update.carried(layer)
        assert pair is not None and float((layer.own["moved"] - layer.base_weight()).norm()) > 1e-3
        assert torch.allclose(layer.own["moved"], layer.base_weight() + layer.scale * pair[0] @ pair[1], atol=1e-12)
        # Merged weights are formed in float32.
        assert torch.allclose(layer.merged_weight(), virtual.layers[name].merged_weight(), atol=1e-6)
        assert torch.allclose(layer.delta_weight(), virtual.layers[name].delta_weight(), atol=1e-6)


def test_small_increments_are_kept_over_a_base_in_bfloat16() -> None:
    ours, _ = attached(4, method=IN_PLACE)
    layer = next(iter(ours.layers.values()))
    layer.base.to(torch.bfloat16)
    layer.base_update.begin(layer)
    moving = Moving(RATIO, 0, ours)
    with torch.no_grad():
        for step in range(100):
            moving.before_step(step)
            moving.before_optimizer()
            layer.own["b"].add_(torch.sign(layer.own["b"]) + 1, alpha=1e-7)
            moving.after_optimizer()
        pair = layer.base_update.carried(layer)
        assert pair is not None
        wanted, drift = layer.scale * pair[0] @ pair[1], layer.own["moved"] - layer.base_weight().float()

    assert torch.allclose(drift, wanted, rtol=0.05, atol=1e-7) and float(wanted.norm()) > 0


def test_a_run_in_place_goes_on_to_the_bit_and_is_exported(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    parts: dict[str, Any] = {
        "adapter": {"method": IN_PLACE, "base_update": {"kind": "delta-in-place", "start": 2}},
        "train": {"steps": 6, "evaluate_every": 0, "checkpoint_every": 3},
    }
    whole, broken = create(store, tmp_path, **parts), create(store, tmp_path, **parts)
    assert worker.main(home, whole) == 0 and worker.main(home, broken) == 0
    path = "checkpoints/step-000006/adapter/adapter.safetensors"
    (home.run(broken) / path).write_bytes(b"")
    assert worker.main(home, broken, resume=True) == 0
    assert (home.run(broken) / path).read_bytes() == (home.run(whole) / path).read_bytes()

    for form in ("adapter", "merged"):
        body = {"run": whole, "to": form, "out": str(tmp_path / form), "verify": True}
        assert export_job(home, body, lambda text, share: None)["verified"]["max_logit_gap"] < 1e-4
    store.close()


def test_weights_in_four_bits_cannot_be_changed_in_place() -> None:
    config = RunConfig.from_dict({"adapter": {"method": IN_PLACE}, "model": {"storage": "nf4"}})
    (problem,) = unmet(members(config), facts(config))

    assert problem.path == "adapter.base_update" and "base weights in floating point" in problem.text
