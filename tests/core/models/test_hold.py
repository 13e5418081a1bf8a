"""A model that is held in fewer bits: what is held, what is left, and from which numbers."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from core.adapters.storage import STORAGES
from core.adapters.storage.held import Held
from core.models.hold import convert, opening_dtype, round_weights
from core.models.load import load
from tests.source import ROOT
from tests.tiny import random_model, tiny_model

NF4 = STORAGES["nf4-double"]()
HOLDS = """
import psutil, torch
from core.adapters.storage import STORAGES
from core.layers import LayerInfo
from core.models.hold import hold

torch.set_num_threads(1)
model = torch.nn.ModuleList(torch.nn.Linear(576, 1536, bias=False, dtype=torch.bfloat16) for _ in range(40))
layers = [LayerInfo(str(place), "up", place, 1536, 576) for place in range(40)]
hold(model, layers[:1], STORAGES["nf4"]())
before = psutil.Process().memory_info().rss
hold(model, layers[1:], STORAGES["nf4"]())
dense = 39 * 1536 * 576 * 2  # bytes that were there and are let go
codes = dense * 4.5 / 16
print((psutil.Process().memory_info().rss - before + dense) / codes)
"""


def folder(tmp_path: Path, family: str, dtype: torch.dtype) -> Path:
    made = tiny_model(family, tmp_path)
    AutoModelForCausalLM.from_pretrained(made, dtype=dtype).save_pretrained(made)
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "gemma3_text"])
def test_blocks_are_held_from_the_files_own_numbers_and_the_rest_is_as_ever(
    tmp_path: Path, family: str, dtype: torch.dtype
) -> None:
    path = folder(tmp_path, family, dtype)
    dense = load(path, compute=torch.float32, device="cpu")
    round_weights(dense.model, dense.info.layers, NF4)
    held = load(path, compute=torch.float32, device="cpu", storage=NF4)
    ids = torch.randint(3, 300, (2, 9))

    assert held.info == dense.info
    names = {name for name, module in held.model.named_modules() if isinstance(module, Held)}
    assert names == {layer.name for layer in held.info.layers if layer.adaptable}
    assert {p.dtype for p in held.model.parameters()} == {torch.float32, torch.uint8}
    assert torch.allclose(held.model(input_ids=ids).logits, dense.model(input_ids=ids).logits, atol=1e-6)
    for name, buffer in dense.model.named_buffers():
        assert torch.equal(held.model.get_buffer(name), buffer), name


def test_files_of_one_type_are_opened_in_it_and_mixed_ones_in_full_precision(tmp_path: Path) -> None:
    path = folder(tmp_path, "llama", torch.bfloat16)
    assert opening_dtype(path, NF4, torch.float32) == torch.bfloat16
    assert opening_dtype(path, STORAGES["dense"](), torch.float32) == torch.float32
    assert opening_dtype(path, None, torch.float16) == torch.float16
    tensors = load_file(path / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"].float()
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})

    assert opening_dtype(path, NF4, torch.bfloat16) == torch.float32


def test_what_a_model_keeps_in_float32_is_not_converted() -> None:
    model = random_model("llama")
    model._keep_in_fp32_modules_strict = {"norm"}
    convert(model, torch.float32, torch.bfloat16)

    assert model.get_parameter("model.norm.weight").dtype == torch.float32
    assert model.get_parameter("model.layers.0.mlp.up_proj.weight").dtype == torch.bfloat16


def test_the_stages_are_told_a_few_times_at_most(tmp_path: Path) -> None:
    told: list[float | None] = []
    load(
        tiny_model("llama", tmp_path, num_hidden_layers=8), compute=torch.float32, device="cpu", storage=NF4,
        progress=lambda text, share: told.append(share),
    )  # fmt: skip

    assert told[0] == 0 and 1 < len(told) <= 30


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left to themselves")
def test_what_is_worked_out_on_the_way_to_the_codes_is_given_back() -> None:
    said = subprocess.run([sys.executable, "-c", HOLDS], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert float(said) < 1.5
