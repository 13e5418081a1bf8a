"""What is measured of each layer is what the definition says, though nothing large is multiplied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from core.adapters.norms import delta_norms
from core.callback import Callback
from core.train.callbacks.moves import SAMPLE, sampled
from core.train.trainer import train
from tests.core.train.small import ListSink, small_training


def test_norms_from_factors_are_those_of_the_products(tmp_path: Path) -> None:
    training = small_training(tmp_path)
    for number, parameter in enumerate(training.adapters.parameters()):
        torch.nn.init.normal_(parameter, std=0.1 + number / 100)
    layers = list(training.adapters.layers.values())

    norms = delta_norms(layers)

    assert len({layer.factors()[0].shape for layer in layers}) > 1
    assert norms.dtype == np.float32
    np.testing.assert_allclose(norms, [layer.delta_weight().norm().item() for layer in layers], rtol=1e-5)


def test_an_active_rank_below_the_whole_counts(tmp_path: Path) -> None:
    training = small_training(tmp_path)
    layers = list(training.adapters.layers.values())
    for parameter in training.adapters.parameters():
        torch.nn.init.normal_(parameter)
    layers[0].active_rank = 2

    norms = delta_norms(layers)

    np.testing.assert_allclose(norms, [layer.delta_weight().norm().item() for layer in layers], rtol=1e-5)


def test_vectors_come_in_the_order_of_the_layers(tmp_path: Path) -> None:
    sink = ListSink()
    training = small_training(tmp_path, sink=sink, steps=3, measure_every=2)

    train(training)

    layers = training.adapters.layers
    assert [layer.name for layer in sink.names] == list(layers)
    assert list(sink.rows["delta_norm"]) == [2, 3], "every second step and the last"
    expected = [layer.delta_weight().norm().item() for layer in layers.values()]
    base = [layer.base_weight().norm().item() for layer in layers.values()]
    np.testing.assert_allclose(sink.rows["delta_norm"][3], expected, rtol=1e-4)
    np.testing.assert_allclose(sink.rows["relative_norm"][3], np.array(expected) / base, rtol=1e-4)


def test_every_curve_has_a_point_at_every_step(tmp_path: Path) -> None:
    sink = ListSink()

    train(small_training(tmp_path, sink=sink, steps=3))

    for key in ("loss", "learning_rate", "gradient_norm", "tokens_per_second", "memory", "trained_tokens", "seconds"):
        assert list(sink.curves[key]) == [1, 2, 3]
    assert sink.curves["memory"][3] > 10_000_000
    assert sink.curves["seconds"][3] > sink.curves["seconds"][1] > 0


def test_a_step_is_measured_beside_what_it_moves(tmp_path: Path) -> None:
    sink = ListSink()
    training = small_training(tmp_path, sink=sink, steps=1)
    tensors = [[tensor.data for tensor in layer.own.values()] for layer in training.adapters.layers.values()]
    first = [[tensor.clone() for tensor in own] for own in tensors]

    train(training)

    moved = [
        sum(float((a - b).square().sum()) for a, b in zip(*pair, strict=True))
        for pair in zip(tensors, first, strict=True)
    ]
    length = [sum(float(tensor.square().sum()) for tensor in own) for own in tensors]
    np.testing.assert_allclose(sink.rows["update_size"][1], np.sqrt(np.array(moved) / length), rtol=1e-5)


def test_a_sample_of_a_large_tensor_has_every_column_alike() -> None:
    columns = torch.arange(8.0).repeat(4096, 1)

    found = sampled(columns)

    assert SAMPLE / 2 < len(found) <= SAMPLE
    assert found.long().bincount().max() - found.long().bincount().min() <= 1


class Counting(Callback):
    """A member of an axis with figures of its own."""

    def points(self) -> dict[str, float]:
        return {"budget": 3.0}

    def vectors(self) -> dict[str, list[float]]:
        return {"rank": [1.0, 2.0]}


def test_a_callback_adds_its_own_figures(tmp_path: Path) -> None:
    sink = ListSink()

    train(small_training(tmp_path, sink=sink, steps=1, extra=[Counting()]))

    assert sink.curves["budget"] == {1: 3.0}
    assert sink.rows["rank"][1].tolist() == [1.0, 2.0]
