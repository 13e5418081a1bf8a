"""Held in fewer bits, the base is a base like another (variants.md 13, laws 1 to 6), and bitsandbytes agrees."""

from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from core import kernels
from core.adapters.attach import attach
from core.adapters.storage import STORAGES, blockwise
from core.adapters.storage.held import Held
from core.adapters.storage.quantised import Quantised
from core.config.run import AdapterConfig, RunConfig
from core.models.hold import hold
from core.train.prepare import checkpoint_gradients
from tests.laws.world import adapt, base, layers, logits, plans, points
from tests.tiny import random_model

QUANTISED = [member.kind for member in STORAGES.members if issubclass(member, Quantised)]
SHAPES = [(64, 128), (3, 50), (7, 9), (512, 1000)]
HALF_GAP = 0.1519037
"""Half of the widest gap between two levels, between -1 and -0.696."""


def member(kind: str) -> Quantised:
    found = STORAGES[kind]()
    assert isinstance(found, Quantised)
    return found


def weight(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(0.02).to(dtype)


@pytest.fixture
def judge() -> ModuleType:
    library = kernels.bitsandbytes()
    if library is None:
        pytest.skip("bitsandbytes cannot be loaded here")
    functional: ModuleType = library.functional
    return functional


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", SHAPES)
def test_codes_magnitudes_and_weights_are_those_of_bitsandbytes(
    judge: ModuleType, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    given = weight(*shape, dtype=dtype)
    packed, magnitudes = blockwise.to_nf4(given)
    theirs, state = judge.quantize_4bit(given, quant_type="nf4", blocksize=64)

    assert torch.equal(packed, theirs)
    assert torch.equal(magnitudes, state.absmax)
    ours = blockwise.from_nf4(packed, magnitudes, given.shape, dtype)
    assert torch.equal(ours, judge.dequantize_4bit(theirs, state))


@pytest.mark.parametrize("kind", ["nf4", "nf4-double"])
def test_its_kernel_for_processors_reads_our_codes_to_the_same_bits(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kernels.on_processor() is None:
        pytest.skip("bitsandbytes has no kernels for this processor")
    storage, given = member(kind), weight(256, 512)
    codes = storage.encode(given)
    by_kernel = storage.decode(codes, given.shape, torch.float32)
    monkeypatch.setattr(blockwise, "WORTH", given.numel() + 1)

    assert torch.equal(storage.decode(codes, given.shape, torch.float32), by_kernel)


def test_the_8_bit_map_is_that_of_bitsandbytes_to_the_bit(judge: ModuleType) -> None:
    assert torch.equal(blockwise.dynamic_levels(), judge.create_dynamic_map(signed=True))


def test_of_two_levels_that_are_equally_near_the_lower_is_taken() -> None:
    for levels in (torch.tensor(blockwise.LEVELS), blockwise.dynamic_levels()):
        ties = (levels[1:] + levels[:-1]) / 2
        assert torch.equal(blockwise.nearest(ties, levels), torch.arange(len(ties), dtype=torch.uint8))


def test_double_quantisation_is_that_of_bitsandbytes_or_nearer(judge: ModuleType) -> None:
    """Their table search misses the nearest of the 256 levels now and then; wherever we differ, ours is nearer."""
    given = weight(512, 1000)
    _, magnitudes = blockwise.to_nf4(given)
    codes, largest, mean = blockwise.to_8bit(magnitudes)
    theirs, state = judge.quantize_4bit(given, quant_type="nf4", blocksize=64, compress_statistics=True)
    differ = codes != state.absmax

    assert torch.allclose(mean, state.offset, rtol=1e-6) and torch.allclose(largest, state.state2.absmax, rtol=1e-6)
    assert differ.float().mean() < 0.005
    ours = blockwise.from_8bit(codes, largest, mean)
    other = blockwise.from_8bit(state.absmax, largest, mean)
    assert ((ours - magnitudes).abs() <= (other - magnitudes).abs()).all()
    state.absmax, state.state2.absmax, state.offset = codes, largest, mean
    held = STORAGES["nf4-double"]().rounded(given)
    assert torch.equal(held, judge.dequantize_4bit(theirs, state))


def test_int8_codes_are_those_of_bitsandbytes(judge: ModuleType) -> None:
    given = weight(64, 128, dtype=torch.float16)
    codes, largest = blockwise.to_int8(given)
    theirs, rows, _ = judge.int8_vectorwise_quant(given)

    assert (codes.int() - theirs.int()).abs().max() <= 1 and (codes != theirs).float().mean() < 0.001
    assert torch.equal(largest[:, 0], rows)


def test_a_weight_is_never_further_off_than_half_the_widest_gap() -> None:
    given = weight(64, 128)
    packed, magnitudes = blockwise.to_nf4(given)
    off = (blockwise.from_nf4(packed, magnitudes, given.shape, torch.float32) - given).abs().view(-1, 64)

    assert (off <= magnitudes[:, None] * HALF_GAP).all()


@pytest.mark.parametrize(("kind", "expected"), [("nf4", 0.0926), ("nf4-double", 0.0926), ("int8", 0.0075)])
def test_the_error_on_normal_weights_is_the_known_one(kind: str, expected: float) -> None:
    given = torch.randn(512, 512, generator=torch.Generator().manual_seed(0))
    lost = (member(kind).rounded(given) - given).norm() / given.norm()

    assert float(lost) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("kind", QUANTISED)
def test_quantising_leaves_the_weight_itself_alone(kind: str) -> None:
    given = weight(40, 128)
    member(kind).encode(given)

    assert torch.equal(given, weight(40, 128))


@pytest.mark.parametrize("kind", QUANTISED)
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_zeros_stay_zeros_and_nothing_divides_by_them(kind: str, rows: int) -> None:
    given = weight(3, 128)
    given[:rows] = 0
    found = member(kind).rounded(given)

    assert torch.isfinite(found).all()
    assert found[:rows].abs().sum() == 0


def test_holding_what_was_held_changes_nothing() -> None:
    for kind in ("nf4", "int8"):
        once = member(kind).rounded(weight(40, 128))

        assert torch.allclose(member(kind).rounded(once), once, rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", QUANTISED)
def test_the_bytes_are_those_of_the_forecast(kind: str) -> None:
    held = member(kind).hold(nn.Linear(512, 1024, bias=False))
    assert isinstance(held, Held)
    kept = sum(tensor.nbytes for tensor in held.codes())

    assert kept == sum(t.nbytes for t in (*held.parameters(), *held.buffers()))
    assert kept == pytest.approx(512 * 1024 * STORAGES[kind]().bytes_per_weight(4, 512), abs=8)


@pytest.mark.parametrize("kind", QUANTISED)
def test_a_change_of_precision_leaves_the_codes_alone(kind: str) -> None:
    held = member(kind).hold(nn.Linear(64, 32))
    before = [tensor.clone() for tensor in held.codes()]  # type: ignore[operator]
    held.to(torch.bfloat16)

    assert all(torch.equal(one, other) for one, other in zip(before, held.codes(), strict=True))  # type: ignore[operator]
    assert held(torch.randn(2, 64, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("kind", QUANTISED)
def test_the_layer_computes_with_its_dequantised_weight_forward_and_backward(kind: str) -> None:
    linear = nn.Linear(50, 20).requires_grad_(False)
    held = member(kind).hold(linear)
    x = torch.randn(3, 50, requires_grad=True)
    y = held(x)
    y.sum().backward()
    expected = x.detach() @ held.dense().T + linear.bias  # type: ignore[operator]

    assert torch.allclose(y, expected, atol=1e-6)
    assert torch.allclose(x.grad, torch.ones(3, 20) @ held.dense(), atol=1e-6)  # type: ignore[operator, arg-type]


@pytest.mark.parametrize("kind", QUANTISED)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_before_the_first_step_the_output_is_the_held_base_bit_for_bit(family: str, kind: str) -> None:
    for point in points(kind):
        if point.magnitude == "none":
            expected = logits(base(family, kind))
            adapters = adapt(family, point)
            found = logits(adapters.model)
            adapters.detach()
            assert torch.equal(found, expected), point


@pytest.mark.parametrize("kind", QUANTISED)
@pytest.mark.parametrize("method", [{}, {"magnitude": "row"}])
def test_nothing_the_size_of_a_weight_is_kept_for_the_backward_pass(kind: str, method: dict[str, str]) -> None:
    kept: list[Tensor] = []
    point = next(p for p in points(kind) if p.delta == "lora" and p.magnitude == method.get("magnitude", "none"))
    adapters = adapt("llama", point)
    shapes = {tuple(layer.base.shape) for layer in adapters.layers.values()}
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        for layer in adapters.layers.values():
            layer(torch.randn(5, layer.plan.layer.in_features, dtype=torch.float64, requires_grad=True))
    adapters.detach()

    assert kept
    assert not [t.shape for t in kept if t.is_floating_point() and {tuple(t.shape), tuple(t.shape)[::-1]} & shapes]


@pytest.mark.parametrize("kind", QUANTISED)
def test_under_autocast_the_product_runs_in_its_precision_and_the_gradient_comes_back_in_the_inputs(kind: str) -> None:
    held = member(kind).hold(nn.Linear(64, 32))
    x = torch.randn(2, 64, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = held(x)
    y.float().sum().backward()

    assert y.dtype == torch.bfloat16 and x.grad is not None and x.grad.dtype == torch.float32
    assert torch.allclose(x.grad, torch.ones(2, 32) @ held.dense(), rtol=0.05, atol=0.05)  # type: ignore[operator]


@pytest.mark.parametrize("kind", QUANTISED)
def test_gradient_checkpointing_changes_no_gradient(kind: str) -> None:
    found = []
    for checkpointing in (False, True):
        model = random_model("llama").requires_grad_(False)
        storage = STORAGES[kind]()
        hold(model, layers("llama"), storage)
        config = AdapterConfig(method="dora", rank=4)
        adapters = attach(model, plans("llama", config), config, seed=0, storage=storage)
        for layer in adapters.layers.values():
            nn.init.ones_(layer.own["b"])
        if checkpointing:
            checkpoint_gradients(model)
        model.train()
        logits(model).square().mean().backward()
        found.append([parameter.grad for parameter in adapters.parameters()])

    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("kind", QUANTISED)
def test_row_lengths_are_those_of_the_dequantised_weight(kind: str) -> None:
    point = next(p for p in points(kind) if p.delta == "lora" and p.magnitude == "row")
    adapters = adapt("llama", point)
    for layer in adapters.layers.values():
        assert torch.allclose(layer.own["m"], layer.base_weight().double().norm(dim=1), rtol=1e-6)
    adapters.detach()


@pytest.mark.parametrize(
    ("method", "storage", "label"),
    [
        ("qlora", "auto", "QLoRA"), ("lora", "nf4", "QLoRA"), ("lora", "nf4-double", "QLoRA"),
        ("qlora", "dense", "LoRA"),
        ("qdora", "auto", "QDoRA"), ("dora", "nf4", "QDoRA"), ("qdvora", "auto", "QDVoRA"),
        ("dylora", "nf4-double", "QDyLoRA"), ("lora", "int8", "Custom"),
    ],
)  # fmt: skip
def test_a_combination_is_called_by_its_name(method: str, storage: str, label: str) -> None:
    config = RunConfig.from_dict({"adapter": {"method": method}, "model": {"storage": storage}})

    assert config.method_label == label


def test_the_levels_are_equal_shares_of_a_normal_distribution() -> None:
    """The construction of the paper's code: quantiles from both sides of 0, scaled to 1."""
    end = 1 - (1 / 32 + 1 / 30) / 2
    positive = [math.sqrt(2) * _inverse_erf(2 * q - 1) for q in torch.linspace(end, 0.5, 9).tolist()[:-1]]
    negative = [-math.sqrt(2) * _inverse_erf(2 * q - 1) for q in torch.linspace(end, 0.5, 8).tolist()[:-1]]
    levels = torch.tensor(sorted([*positive, *negative, 0.0]))

    assert torch.allclose(levels / levels.max(), torch.tensor(blockwise.LEVELS), atol=1e-6)


def _inverse_erf(value: float) -> float:
    return float(torch.erfinv(torch.tensor(value, dtype=torch.float64)))
