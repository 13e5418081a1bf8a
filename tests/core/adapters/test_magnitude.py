"""Row lengths where a forward pass computes in bfloat16: neither they nor what they have grown by is rounded to it."""

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
