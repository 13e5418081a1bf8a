"""Every published trainable-parameter figure that shapes alone decide, to the integer (variants.md 2, 5, 8, 11, 12).

Known misprints, not asserted: LoRA's GPT-2 M and L (0.35M and 0.77M: the shapes give 393,216 and 737,280), and
VeRA's RoBERTa-large r = 16 (49.5K printed, 195 KB beside it, which is 49,920 numbers). VeRA's GPT-3 figures include the
shared frozen pair.
"""

from __future__ import annotations

import pytest

from core.config.forecast import count
from core.config.run import AdapterConfig
from core.layers import LayerInfo, LayerPlan, Role

Shapes = dict[Role, tuple[int, int]]

LLAMA_7B: Shapes = {
    "q": (4096, 4096), "k": (4096, 4096), "v": (4096, 4096), "o": (4096, 4096),
    "gate": (11008, 4096), "up": (11008, 4096), "down": (4096, 11008),
}  # fmt: skip
LLAMA_13B: Shapes = {
    "q": (5120, 5120), "k": (5120, 5120), "v": (5120, 5120), "o": (5120, 5120),
    "gate": (13824, 5120), "up": (13824, 5120), "down": (5120, 13824),
}  # fmt: skip
LLAMA3_8B: Shapes = {
    "q": (4096, 4096), "k": (1024, 4096), "v": (1024, 4096), "up": (14336, 4096), "down": (4096, 14336),
}  # fmt: skip
DORA_TARGETS = ("q", "k", "v", "up", "down")


def square(width: int) -> Shapes:
    """The query and value matrices of a model of this width."""
    return {"q": (width, width), "v": (width, width)}


def trained(method: str, blocks: int, shapes: Shapes, rank: int, *roles: str) -> int:
    """Trained numbers of a method on a stack of blocks."""
    config = AdapterConfig(method=method, rank=rank)
    plans = [
        LayerPlan(LayerInfo(f"{block}.{role}", role, block, *shape), rank, 16.0)
        for block in range(blocks)
        for role, shape in shapes.items()
        if not roles or role in roles
    ]
    return count(plans, config)


@pytest.mark.parametrize(
    ("blocks", "shapes", "rank", "published"),
    [
        pytest.param(12, square(768), 8, 294_912, id="RoBERTa-base 0.3M"),
        pytest.param(24, square(1024), 8, 786_432, id="RoBERTa-large 0.8M"),
        pytest.param(48, square(1536), 16, 4_718_592, id="DeBERTa-XXL 4.7M"),
        pytest.param(96, square(12288), 1, 4_718_592, id="GPT-3 r1 4.7M"),
        pytest.param(96, square(12288), 4, 18_874_368, id="GPT-3 r4 18M"),
        pytest.param(96, square(12288), 8, 37_748_736, id="GPT-3 r8 37.7M"),
        pytest.param(96, square(12288), 64, 301_989_888, id="GPT-3 r64 301.9M"),
        pytest.param(24, square(1024), 4, 393_216, id="GPT-2 M"),
        pytest.param(36, square(1280), 4, 737_280, id="GPT-2 L"),
        pytest.param(32, LLAMA_7B, 64, 159_907_840, id="Llama-7B all linears 159.9M"),
        pytest.param(40, LLAMA_13B, 64, 250_347_520, id="Llama-13B all linears 250.3M"),
    ],
)
def test_lora_trains_the_published_number(blocks: int, shapes: Shapes, rank: int, published: int) -> None:
    assert trained("lora", blocks, shapes, rank) == published


@pytest.mark.parametrize(
    ("blocks", "shapes", "rank", "published"),
    [
        pytest.param(12, square(768), 1, 18_456, id="RoBERTa-base r1 18.4K"),
        pytest.param(12, square(768), 16, 18_816, id="RoBERTa-base r16 18.8K"),
        pytest.param(12, square(768), 256, 24_576, id="RoBERTa-base r256 24.5K"),
        pytest.param(12, square(768), 1024, 43_008, id="RoBERTa-base r1024 0.043M"),
        pytest.param(24, square(1024), 1, 49_200, id="RoBERTa-large r1 49.2K"),
        pytest.param(24, square(1024), 16, 49_920, id="RoBERTa-large r16"),
        pytest.param(24, square(1024), 256, 61_440, id="RoBERTa-large r256 61.4K"),
        pytest.param(24, square(1024), 1024, 98_304, id="GPT-2 M r1024 0.098M"),
        pytest.param(36, square(1280), 1024, 165_888, id="GPT-2 L r1024 0.17M"),
        pytest.param(96, square(12288), 1, 2_359_488, id="GPT-3 r1 2.4M"),
        pytest.param(32, LLAMA_7B, 256, 1_417_216, id="Llama-7B r256 1.4M"),
        pytest.param(32, LLAMA_7B, 1024, 1_589_248, id="Llama-7B r1024 1.6M"),
        pytest.param(40, LLAMA_13B, 1024, 2_416_640, id="Llama-13B r1024 2.4M"),
    ],
)
def test_vera_trains_the_published_number(blocks: int, shapes: Shapes, rank: int, published: int) -> None:
    assert trained("vera", blocks, shapes, rank) == published


@pytest.mark.parametrize(("rank", "published"), [(16, 2_755_584), (256, 8_699_904)])
def test_veras_printed_gpt3_figures_include_the_shared_pair(rank: int, published: int) -> None:
    assert trained("vera", 96, square(12288), rank) + 2 * rank * 12288 == published


@pytest.mark.parametrize(
    ("blocks", "shapes", "rank", "published"),
    [
        pytest.param(32, LLAMA_7B, 32, 56_975_360, id="LLaMA-7B r32 0.84 %"),
        pytest.param(32, LLAMA_7B, 16, 28_925_952, id="LLaMA-7B r16 0.43 %"),
    ],
)
def test_dora_trains_the_published_number(blocks: int, shapes: Shapes, rank: int, published: int) -> None:
    assert trained("dora", blocks, shapes, rank, *DORA_TARGETS) == published
    assert trained("lora", blocks, shapes, 32, *DORA_TARGETS) == 56_098_816


def test_llama3s_lora_share_is_the_printed_one() -> None:
    assert trained("lora", 32, LLAMA3_8B, 32, *DORA_TARGETS) == 56_623_104


@pytest.mark.parametrize(("rank", "published"), [(256, 2_777_088), (1024, 2_949_120)])
def test_dvora_trains_the_published_number(rank: int, published: int) -> None:
    assert trained("dvora", 32, LLAMA_7B, rank) == published


def test_adalora_starts_with_the_triplets_of_its_first_rank() -> None:
    shapes: Shapes = {
        "q": (768, 768), "k": (768, 768), "v": (768, 768), "o": (768, 768), "fc1": (3072, 768), "fc2": (768, 3072),
    }  # fmt: skip

    assert trained("lora", 12, shapes, 8) == 1_327_104
    assert trained("adalora", 12, shapes, 1) == 12 * (4 * 1537 + 2 * 3841)
    assert trained("lora", 12, shapes, 2) == 331_776


def test_lora_fa_trains_only_the_out_side() -> None:
    assert trained("lora-fa", 12, square(768), 8) == 24 * 8 * 768
