"""Each method becomes plain LoRA where its own part is switched off (variants.md 21).

LoRA+ at a ratio of 1 is judged in `test_rates`, and Delta-LoRA before it begins in `test_delta_lora`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import worker
from core.adapters.adapted import Adapted
from core.adapters.attach import Adapters
from core.adapters.magnitude.row import Row
from core.callback import Callback
from core.home import Home
from core.store.store import Store
from core.train.trainer import train
from core.train.training import Training
from tests.core.train.small import ListSink, adapter_values, small_training
from tests.laws.world import Point, adapt, logits
from tests.whole.small_runs import create

STEPS = 5


def trained(folder: Path, *extra: Callback, clip: float = 1.0, **adapter: Any) -> Training:
    """A few real steps on a tiny model."""
    training = small_training(
        folder, sink=ListSink(), steps=STEPS, clip=clip, adapter={"rank": 4, "alpha": 8, **adapter}, extra=extra
    )
    train(training)
    return training


@pytest.mark.parametrize(
    "adapter",
    [
        pytest.param({"base_update": {"kind": "delta", "ratio": 0, "start": 0}}, id="delta-at-ratio-0"),
        pytest.param({"base_update": {"kind": "delta-in-place", "ratio": 0, "start": 0}}, id="in-place-at-ratio-0"),
        pytest.param({"rank_schedule": {"kind": "dylora", "lowest": 4}}, id="dylora-with-one-rank"),
        pytest.param({"scale": "alpha/sqrt(r)", "alpha": 4}, id="rslora-at-half-the-alpha"),
        pytest.param({"rates": {"kind": "lora+", "ratio_b": 1}}, id="lora+-at-ratio-1"),
    ],
)
def test_with_its_own_part_off_it_is_lora_bit_for_bit(adapter: dict[str, Any], tmp_path: Path) -> None:
    lora, other = trained(tmp_path), trained(tmp_path, **adapter)

    expected = adapter_values(lora)
    for name, value in adapter_values(other).items():
        assert torch.equal(value, expected[name]), name
    for name, layer in other.adapters.layers.items():
        assert torch.equal(layer.merged_weight(), lora.adapters.layers[name].merged_weight()), name


class Resetting(Callback):
    """Sets every row length to what it is without DoRA, so that nothing is left of it."""

    def __init__(self) -> None:
        self.layers: list[Adapted] = []

    def after_update(self) -> None:
        for layer in self.layers:
            assert isinstance(layer.magnitude, Row)
            with torch.no_grad():
                layer.own["m"].copy_(layer.magnitude.norm(layer))


def test_dora_whose_lengths_are_reset_at_every_step_is_lora(tmp_path: Path) -> None:
    resetting = Resetting()
    # Adam divides by what gradients have been: where they are next to nothing, it turns rounding into whole steps.
    common: dict[str, Any] = {"steps": STEPS, "clip": 0, "optimizer": "sgd", "learning_rate": 3.0}
    lora = small_training(tmp_path, adapter={"rank": 4, "alpha": 8}, **common)
    training = small_training(
        tmp_path, adapter={"rank": 4, "alpha": 8, "magnitude": "row"}, extra=[resetting], **common
    )
    resetting.layers = list(training.adapters.layers.values())
    first = adapter_values(lora)

    train(lora)
    train(training)

    expected = adapter_values(lora)
    assert all(float((value - first[name]).abs().max()) > 1e-5 for name, value in expected.items())
    for name, value in adapter_values(training).items():
        if not name.endswith(".m"):
            assert torch.allclose(value, expected[name], rtol=1e-4, atol=1e-6), name


def test_adalora_that_never_prunes_folds_into_a_lora(tmp_path: Path) -> None:
    rule = {"kind": "adalora", "start": STEPS, "settle": 0, "orthogonality": 0}
    training = trained(tmp_path, method="adalora", rank_schedule=rule)
    lora = small_training(tmp_path, adapter={"rank": 4, "alpha": 8})
    with torch.no_grad():
        for name, layer in training.adapters.layers.items():
            assert bool((layer.own["lam"] != 0).all()), name
            lora.adapters.layers[name].own["b"].copy_(layer.own["p"] * layer.own["lam"])
            lora.adapters.layers[name].own["a"].copy_(layer.own["q"])

    assert torch.allclose(logits(training.model.eval()), logits(lora.model.eval()), atol=1e-6)


def test_vera_with_vectors_of_ones_is_its_random_pair_as_a_lora_of_scale_1() -> None:
    vera = adapt("llama", Point("vera", "none", "1"))
    with torch.no_grad():
        for layer in vera.layers.values():
            layer.own["lambda_b"].fill_(1)
            layer.own["lambda_d"].fill_(1)
    expected = logits(vera.model)
    pairs = {name: (layer.shared["b"], layer.shared["a"]) for name, layer in vera.layers.items()}
    vera.detach()
    lora = adapt("llama", Point("lora", "none", "1"))
    _put_in(lora, pairs)
    found = logits(lora.model)
    lora.detach()

    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


def _put_in(adapters: Adapters, pairs: dict[str, tuple[Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for name, (b, a) in pairs.items():
            adapters.layers[name].own["b"].copy_(b)
            adapters.layers[name].own["a"].copy_(a)


def test_lora_drop_at_a_threshold_of_one_is_lora(home: Home, tmp_path: Path) -> None:
    store = Store(home)
    selection = {"kind": "lora-drop", "threshold": 1.0, "probe_steps": 2}
    losses = []
    for adapter in ({"method": "lora", "rank": 2}, {"method": "lora-drop", "rank": 2, "selection": selection}):
        run = create(store, tmp_path, adapter=adapter)
        assert worker.main(home, run) == 0
        losses.append(store.curve(run, "loss")[1])
    store.close()

    np.testing.assert_array_equal(losses[0], losses[1])
