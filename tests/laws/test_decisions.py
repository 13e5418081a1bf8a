"""Where papers and codes disagree, what was decided here (the reference's section 20), as far as no other law shows it.

The axis, scale and dropout of DoRA, AdaLoRA's schedule and order, DyLoRA's scale, LoRA-FA's corrected step, LoRA+'s
groups, LoRA-GA's factors and the merging of quantised weights are judged beside peft or by their own laws.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from core.adapters.magnitude.row import Row
from core.adapters.names import method
from core.adapters.rank.adalora import Adalora
from core.adapters.rank.dylora import Dylora
from core.adapters.selection.loradrop import LoraDrop
from core.config.run import AdapterConfig
from core.train.trainer import train
from tests.core.train.small import ListSink, small_training
from tests.laws.world import Point, adapt


def test_defaults_are_those_that_were_decided() -> None:
    assert AdapterConfig().alpha == 16 and AdapterConfig().axis("init").kind == "default"
    assert Adalora().orthogonality == 0.1
    assert Adalora().final([12] * 6) == 6 * 8 and Adalora().final([12, 6]) == 12, "two thirds of what it starts with"
    assert Adalora(target=2).final([12, 6]) == 4 and Adalora(target=20).final([12, 6]) == 18
    assert Dylora().leak == "allow"
    assert LoraDrop().share == "train"
    assert not Row().branch_dropout, "the author's form: the base term sees the dropped input"
    assert method("lora-fa").axes["rates"] == "lora-fa", "corrected; plain is adapter.rates: one"


def test_loras_a_is_uniform_in_one_over_the_root_of_its_inputs_and_b_is_zero() -> None:
    adapters = adapt("llama", Point("lora", "none", "alpha/r"))
    adapters.detach()
    for layer in adapters.layers.values():
        bound = 1 / math.sqrt(layer.plan.layer.in_features)
        assert 0.8 * bound < float(layer.own["a"].detach().abs().max()) <= bound
        assert not layer.own["b"].any()


def test_veras_pair_is_uniform_with_a_gain_of_root_two_over_the_longest_inputs() -> None:
    adapters = adapt("llama", Point("vera", "none", "1"))
    adapters.detach()
    longest = max(layer.plan.layer.in_features for layer in adapters.layers.values())
    first = next(iter(adapters.layers.values()))
    for name, fan in (("a", longest), ("b", first.plan.rank)):
        bound = math.sqrt(6 / fan)
        assert 0.8 * bound < float(first.shared[name].detach().abs().max()) <= bound
    assert {layer.scale for layer in adapters.layers.values()} == {1.0}


@pytest.mark.parametrize("weight", [0.0, 5.0])
def test_adaloras_orthogonality_is_in_no_loss_that_is_shown(weight: float, tmp_path: Path) -> None:
    sink = ListSink()
    rule = {"kind": "adalora", "orthogonality": weight}
    training = small_training(tmp_path, sink=sink, steps=1, adapter={"method": "adalora", "rank_schedule": rule})
    plain = ListSink()
    train(training)
    train(small_training(tmp_path, sink=plain, steps=1))

    assert sink.curves["loss"][1] == pytest.approx(plain.curves["loss"][1], rel=1e-6)
    assert sink.curves["held_out"][0] == pytest.approx(plain.curves["held_out"][0], rel=1e-6)
    assert torch.isfinite(torch.tensor(sink.curves["held_out"][1]))
