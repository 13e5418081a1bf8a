"""On a graphics card the kernels of bitsandbytes read what was written here, and runs over 4 bits train and resume."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core import kernels
from core.adapters.attach import attach
from core.adapters.storage import STORAGES, blockwise
from core.adapters.storage.held import Held
from core.adapters.storage.quantised import Quantised
from core.config.run import AdapterConfig
from core.config.select import select
from core.models.hold import hold
from core.models.walk import walk
from core.optim.optimizers import OPTIMIZERS
from tests.tiny import random_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
QUANTISED = [member.kind for member in STORAGES.members if issubclass(member, Quantised)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", QUANTISED)
def test_the_kernels_give_the_weights_of_the_reference(kind: str, dtype: torch.dtype) -> None:
    weight = torch.randn(96, 200)
    storage = STORAGES[kind]()
    assert isinstance(storage, Quantised)
    codes = storage.encode(weight)
    expected = storage.decode(codes, weight.shape, dtype)
    found = storage.decode({name: code.cuda() for name, code in codes.items()}, weight.shape, dtype)

    assert torch.equal(found.cpu(), expected)


@pytest.mark.parametrize("kind", QUANTISED)
def test_a_card_comes_to_the_codes_of_a_processor(kind: str) -> None:
    weight = torch.randn(96, 200)
    storage = STORAGES[kind]()
    assert isinstance(storage, Quantised)
    here, there = storage.encode(weight), storage.encode(weight.cuda())

    for name, code in here.items():
        assert torch.equal(code, there[name].cpu()), name


def test_the_reference_serves_a_card_without_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.randn(96, 200)
    packed, magnitudes = blockwise.to_nf4(weight)
    expected = blockwise.from_nf4(packed, magnitudes, weight.shape, torch.float32)
    monkeypatch.setattr(kernels, "bitsandbytes", lambda: None)
    found = blockwise.from_nf4(packed.cuda(), magnitudes.cuda(), weight.shape, torch.float32)

    assert torch.equal(found.cpu(), expected)


@pytest.mark.parametrize("method", ["qlora", "qdora"])
@pytest.mark.parametrize("optimizer", ["adamw", "adamw-8bit", "paged-adamw-32bit", "paged-adamw-8bit"])
def test_a_held_model_learns_in_bfloat16_under_autocast(method: str, optimizer: str) -> None:
    model: nn.Module = random_model("llama").to(torch.bfloat16).requires_grad_(False)
    layers = walk(model)  # type: ignore[arg-type]
    storage = STORAGES["nf4-double"]()
    hold(model, layers, storage, device="cuda")
    model.cuda()
    config = AdapterConfig(method=method, rank=8)
    adapters = attach(model, select(layers, config), config, seed=0, storage=storage)
    before = {name: tensor.clone() for name, tensor in model.named_parameters() if tensor.dtype == torch.uint8}
    groups = [{"params": adapters.parameters(), "lr": 1e-2, "weight_decay": 0.0}]
    steps = OPTIMIZERS[optimizer]().build(groups)
    ids = torch.randint(3, 300, (2, 16), device="cuda")
    losses = []
    for _ in range(8):
        with torch.autocast("cuda", torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        steps.step()
        steps.zero_grad()
        losses.append(float(loss))

    assert losses[-1] < losses[0]
    assert before and all(torch.equal(model.get_parameter(name), tensor) for name, tensor in before.items())


def test_codes_take_on_the_card_what_the_forecast_says() -> None:
    linear = nn.Linear(4096, 4096, bias=False, device="cuda")
    storage = STORAGES["nf4-double"]()
    held = storage.hold(linear)
    del linear
    assert isinstance(held, Held)
    torch.cuda.empty_cache()

    kept = sum(tensor.nbytes for tensor in held.codes())
    assert kept == pytest.approx(4096 * 4096 * storage.bytes_per_weight(2, 4096), rel=1e-3)
    assert torch.cuda.memory_allocated() < 2 * kept
