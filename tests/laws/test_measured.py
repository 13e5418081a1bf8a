"""What members of the axes measure of their own while a run trains is what its name says, worked out densely."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.adapters.attach import Adapters, attach
from core.adapters.axis import Delta, Init, Magnitude
from core.adapters.base.following import Following
from core.adapters.storage import STORAGES
from core.config.run import RunConfig
from core.optim.rates.lora_fa import Correction
from core.optim.rates.loraplus import Stepping
from tests.laws.world import logits, plans, widen
from tests.tiny import random_model


def moved(**adapter: Any) -> Adapters:
    """Adapters on a tiny model that have learned something at random, float64; the first layer has a row of zeros."""
    model = random_model("llama").double()
    config = RunConfig.from_dict({"adapter": {"rank": 4, "alpha": 6.0, **adapter}}).adapter
    chosen = plans("llama", config)
    with torch.no_grad():
        model.get_submodule(chosen[0].name).get_parameter("weight")[0] = 0
    adapters = attach(model, chosen, config, seed=0, storage=STORAGES.default())
    widen(adapters)
    move(adapters, seed=1)
    return adapters


def move(adapters: Adapters, *, seed: int) -> None:
    """A step at random."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in adapters.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype), alpha=0.01)


def own(adapters: Adapters, axis: str) -> Any:
    """What the member of an axis that lives in the layers measures."""
    member = adapters.config.axis(axis)
    assert isinstance(member, Delta | Magnitude | Init)
    return member.measured(list(adapters.layers.values()))


def same(measured: Any, expected: dict[str, list[torch.Tensor]]) -> None:
    """All keys, layer by layer."""
    assert measured.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(measured[key], [float(value.detach()) for value in values], rtol=1e-4, err_msg=key)


def test_doras_rows_have_moved_as_in_the_papers_analysis_and_rows_of_zeros_are_left_out() -> None:
    adapters = moved(method="dora")
    expected: dict[str, list[torch.Tensor]] = {"length_change": [], "magnitude_change": [], "direction_change": []}
    for layer in adapters.layers.values():
        base, merged = layer.base_weight(), layer.merged_weight(layer.base_weight())
        base, merged = base[base.norm(dim=1) > 0], merged[base.norm(dim=1) > 0]
        before, after = base.norm(dim=1), merged.norm(dim=1)
        expected["length_change"].append((after - before).abs().mean())
        expected["magnitude_change"].append(100 * (after / before - 1).abs().mean())
        expected["direction_change"].append((1 - torch.cosine_similarity(base, merged)).mean())

    same(own(adapters, "magnitude"), expected)


def test_veras_vectors_are_measured_as_they_stand() -> None:
    adapters = moved(method="vera", delta={"kind": "vera", "d_initial": 0.2})
    outer = [layer.own["lambda_b"].detach() for layer in adapters.layers.values()]
    inner = [layer.own["lambda_d"].detach() for layer in adapters.layers.values()]

    same(
        own(adapters, "delta"),
        {
            "vera_b": [b.abs().mean() for b in outer],
            "vera_d_change": [100 * ((d - 0.2) / 0.2).abs().mean() for d in inner],
            "vera_d_mean": [d.mean() for d in inner],
            "vera_d_smallest": [d.min() for d in inner],
            "vera_d_largest": [d.max() for d in inner],
        },
    )


def test_the_distance_from_the_start_is_that_of_a() -> None:
    adapters = moved(method="pissa")
    layers = adapters.layers.values()

    same(own(adapters, "init"), {"from_start": [(one.own["a"] - one.own["start_a"]).norm() for one in layers]})


@pytest.mark.parametrize("method", ["lora", "vera"])
def test_the_drift_of_the_base_is_the_length_of_what_it_has_taken_up(method: str) -> None:
    adapters = moved(method=method, base_update="delta")
    following = Following(2.0, 0, adapters)
    same(following.vectors(), {"base_drift": [torch.zeros(())] * len(adapters.layers)})
    following.before_step(0)
    at_tau = {name: layer.delta.weight(layer.tensors()).detach() for name, layer in adapters.layers.items()}
    move(adapters, seed=2)

    drifts = [
        2.0 * layer.scale * (layer.delta.weight(layer.tensors()) - at_tau[name]).norm()
        for name, layer in adapters.layers.items()
    ]
    same(following.vectors(), {"base_drift": drifts})


def test_lora_plus_measures_steps_beside_what_they_have_made() -> None:
    adapters = moved(method="lora+")
    stepping = Stepping(adapters, RunConfig())
    stepping.before_step(0)
    stepping.before_optimizer()
    before = {name: [layer.own[role].detach().clone() for role in "ab"] for name, layer in adapters.layers.items()}
    move(adapters, seed=2)

    expected: dict[str, list[torch.Tensor]] = {"update_a": [], "update_b": [], "update_ratio": []}
    for name, layer in adapters.layers.items():
        a, b = (layer.own[role] - old for role, old in zip("ab", before[name], strict=True))
        expected["update_a"].append(a.norm() / layer.own["a"].norm())
        expected["update_b"].append(b.norm() / layer.own["b"].norm())
        expected["update_ratio"].append(b.norm() / a.norm())
    same(stepping.vectors(), expected)


def test_lora_fas_angle_is_that_between_the_gradient_and_its_correction() -> None:
    adapters = moved(method="lora-fa")
    correction = Correction(adapters)
    correction.begin()
    logits(adapters.model).square().mean().backward()
    plain = [layer.own["b"].grad.flatten().clone() for layer in adapters.layers.values()]
    correction.after_backward()

    corrected = [layer.own["b"].grad.flatten() for layer in adapters.layers.values()]
    cosines = [torch.dot(g, c) / (g.norm() * c.norm()) for g, c in zip(plain, corrected, strict=True)]
    angles = [torch.rad2deg(torch.acos(cosine)) for cosine in cosines]
    same(correction.vectors(), {"gradient_cosine": cosines, "gradient_angle": angles})
    assert correction.cosine == pytest.approx(float(torch.stack(cosines).mean()), rel=1e-5)
