"""What members of the axes measure of their own while a run trains is what its name says, worked out densely."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from core.adapters.adapted import Adapted
from core.adapters.attach import attach
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig
from tests.laws.world import plans, widen
from tests.tiny import random_model


def moved(**adapter: Any) -> list[Adapted]:
    """Layers of a tiny model that have learned something at random, float64; the first has a row of zeros."""
    model = random_model("llama").double()
    config = AdapterConfig.model_validate({"rank": 4, "alpha": 6.0, **adapter})
    chosen = plans("llama", config)
    with torch.no_grad():
        model.get_submodule(chosen[0].name).get_parameter("weight")[0] = 0
    adapters = attach(model, chosen, config, seed=0, storage=STORAGES.default())
    widen(adapters)
    generator = torch.Generator().manual_seed(1)
    for parameter in adapters.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype), alpha=0.01)
    return list(adapters.layers.values())


def test_doras_rows_have_moved_as_in_the_papers_analysis_and_rows_of_zeros_are_left_out() -> None:
    layers = moved(method="dora")
    measured = layers[0].magnitude.measured(layers)

    for place, layer in enumerate(layers):
        base, merged = layer.base_weight(), layer.merged_weight(layer.base_weight())
        base, merged = base[base.norm(dim=1) > 0], merged[base.norm(dim=1) > 0]
        before, after = base.norm(dim=1), merged.norm(dim=1)
        expected = {
            "length_change": (after - before).abs().mean(),
            "magnitude_change": 100 * (after / before - 1).abs().mean(),
            "direction_change": (1 - torch.cosine_similarity(base, merged)).mean(),
        }
        for key, value in expected.items():
            np.testing.assert_allclose(measured[key][place], float(value), rtol=1e-4, err_msg=key)
