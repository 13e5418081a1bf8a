"""Putting adapters on: what is refused, and what of the model's own state they take over and give back."""

from __future__ import annotations

import pytest
import torch

from core.adapters.attach import Adapters, attach
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig
from core.errors import UserError
from core.layers import LayerPlan
from core.models.walk import walk
from tests.laws.world import logits
from tests.tiny import random_model


def on_llama(suffix: str, **adapter: float) -> Adapters:
    """Adapters on the layers of a tiny Llama whose names end so; they have learned something."""
    model = random_model("llama")
    config = AdapterConfig.model_validate({"rank": 4, "alpha": 8.0, **adapter})
    plans = [LayerPlan(layer, 4, 8.0) for layer in walk(model) if layer.name.endswith(suffix)]
    adapters = attach(model, plans, config, seed=0, storage=STORAGES.default())
    for parameter in adapters.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return adapters


def test_a_weight_that_two_modules_share_takes_no_adapter() -> None:
    with pytest.raises(UserError, match=r"lm_head shares its weight with another module"):
        on_llama("lm_head")


def test_on_a_model_in_evaluation_nothing_is_dropped() -> None:
    adapters = on_llama("q_proj", dropout=0.5)

    assert torch.equal(logits(adapters.model), logits(adapters.model))
    adapters.model.train()
    assert not torch.equal(logits(adapters.model), logits(adapters.model))


def test_what_was_switched_off_before_stays_off_after() -> None:
    adapters = on_llama("q_proj")
    first, second = adapters.layers.values()
    first.enabled = False
    with adapters.disabled():
        assert not first.enabled and not second.enabled

    assert not first.enabled and second.enabled
