"""Row lengths at the edges: of rows that vanish, that cancel, and where a forward pass computes in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.adapters.adapted import Adapted
from core.adapters.attach import attach
from core.adapters.magnitude.row import Row
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig
from core.layers import LayerInfo, LayerPlan


def learned(*, dropout: float = 0.0) -> tuple[Adapted, Row, torch.Tensor]:
    """A layer in bfloat16 whose DoRA has learned a little, its magnitude, and W0 + dW, (out, in) float32."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"layer": nn.Linear(256, 128, bias=False)}).bfloat16()
    config = AdapterConfig(method="dora", rank=8, alpha=16.0, dropout=dropout)
    plans = [LayerPlan(LayerInfo("layer", "q", 0, 128, 256), 8, 16.0)]
    layer = attach(model, plans, config, seed=0, storage=STORAGES.default()).layers["layer"]
    nn.init.normal_(layer.own["b"], std=2e-3)
    assert isinstance(layer.magnitude, Row)
    return layer, layer.magnitude, layer.base_weight().float() + layer.delta_weight()


def test_lengths_are_measured_in_full_precision_under_autocast() -> None:
    layer, rows, weight = learned()
    with torch.autocast("cpu", torch.bfloat16):
        found = rows.norm(layer)

    torch.testing.assert_close(found, weight.norm(dim=1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("dropout", [0.0, 1e-9])
def test_a_gain_between_two_numbers_of_bfloat16_is_not_rounded_to_one_of_them(dropout: float) -> None:
    layer, _, weight = learned(dropout=dropout)
    layer.own["m"].data.copy_(weight.norm(dim=1) * 1.0055)  # 1 and 1.0078 are its neighbours
    x = torch.randn(64, 256).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y = layer.train()(x)

    expected = x.float() @ weight.T
    assert y.dtype == torch.bfloat16
    assert float((y * expected).sum() / expected.square().sum()) == pytest.approx(1.0055, abs=1e-3)


def test_a_row_of_zeros_is_one_of_plain_lora() -> None:
    layer, rows, _ = learned()
    layer.float()
    with torch.no_grad():
        layer.base.get_parameter("weight")[3] = 0
    layer.constants.clear()
    rows.begin(layer)
    x = torch.randn(5, 256)

    torch.testing.assert_close(layer(x)[:, 3], x @ layer.delta_weight()[3])
    torch.testing.assert_close(layer.merged_weight()[3], layer.delta_weight()[3])


def test_a_row_that_the_change_nearly_cancels_is_measured_exactly() -> None:
    layer, rows, _ = learned()
    weight = layer.base_weight().float()
    with torch.no_grad():
        layer.own["a"].copy_(weight[:8])
        layer.own["b"].zero_()[:8].fill_diagonal_(-(1 - 1e-4) / layer.scale)

    torch.testing.assert_close(rows.norm(layer)[:8], 1e-4 * weight[:8].norm(dim=1), rtol=1e-2, atol=0)
