"""Exports of what was trained over a quantised base, with the live model as the judge."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from core.adapters.attach import Adapters, attach
from core.adapters.state import read, save
from core.adapters.storage import STORAGES
from core.config.run import AdapterConfig
from core.config.select import select
from core.export import gguf, merged
from core.export.saved import open_adapter
from core.models.folder import describe_folder
from core.models.load import load
from tests.core.export.made import logits
from tests.tiny import tiny_model


def silent(text: str, share: float | None) -> None:
    """Nobody listens."""


def live(tmp_path: Path, family: str, kind: str, *, dtype: torch.dtype = torch.float32, **adapter: str) -> Adapters:
    """A held model with a random adapter on half of its layers, in memory and saved beside its base."""
    base = tiny_model(family, tmp_path / "base")
    AutoModelForCausalLM.from_pretrained(base, dtype=dtype).save_pretrained(base)
    storage = STORAGES[kind]()
    loaded = load(base, compute=torch.float32, device="cpu", storage=storage)
    config = AdapterConfig.model_validate({"rank": 4, "alpha": 8, **adapter})
    adapters = attach(loaded.model, select(loaded.info.layers, config)[::2], config, seed=1, storage=storage)
    generator = torch.Generator().manual_seed(5)
    for parameter in adapters.parameters():
        parameter.data += torch.randn(parameter.shape, generator=generator) * 0.1
    (tmp_path / "adapter").mkdir()
    save(adapters, tmp_path / "adapter")
    return adapters


def written(tmp_path: Path, *, onto: merged.Onto = "trained", shard_bytes: int = 10**9) -> nn.Module:
    """The merged model, opened by plain transformers."""
    out = tmp_path / f"out-{onto}"
    out.mkdir()
    merged.write(
        open_adapter(tmp_path / "adapter"), describe_folder(tmp_path / "base"), out, progress=silent, onto=onto,
        shard_bytes=shard_bytes,
    )  # fmt: skip
    opened: nn.Module = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    return opened


@pytest.mark.parametrize("method", ["lora", "dora", "vera"])
@pytest.mark.parametrize("kind", ["nf4-double", "nf4", "int8"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox"])
def test_merged_it_says_what_the_live_model_says(tmp_path: Path, family: str, kind: str, method: str) -> None:
    adapters = live(tmp_path, family, kind, method=method)

    assert (logits(written(tmp_path)) - logits(adapters.model)).abs().max() < 1e-5


@pytest.mark.parametrize(("dtype", "near"), [(torch.bfloat16, 0.05), (torch.float16, 0.005)])
def test_it_is_written_in_the_sources_precision_and_rounded_once(
    tmp_path: Path, dtype: torch.dtype, near: float
) -> None:
    adapters = live(tmp_path, "llama", "nf4-double", dtype=dtype)
    opened = written(tmp_path, shard_bytes=30_000)
    files = list((tmp_path / "out-trained").glob("*.safetensors"))

    assert len(files) > 2
    assert {tensor.dtype for file in files for tensor in load_file(file).values()} == {dtype}
    assert (logits(opened) - logits(adapters.model)).abs().max() < near
    for name, layer in adapters.layers.items():
        expected = layer.merged_weight().to(dtype).float()
        assert torch.equal(opened.get_parameter(f"{name}.weight"), expected), name


def test_nothing_is_ever_quantised_again(tmp_path: Path) -> None:
    adapters = live(tmp_path, "llama", "nf4")
    opened = written(tmp_path)
    for name in adapters.layers:
        weight = opened.get_parameter(f"{name}.weight")
        assert not torch.allclose(STORAGES["nf4"]().rounded(weight), weight, atol=1e-4)


def test_onto_the_original_weights_the_mismatch_is_the_one_that_can_be_worked_out(tmp_path: Path) -> None:
    adapters = live(tmp_path, "llama", "nf4-double")
    original = written(tmp_path, onto="original")
    dense = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32).requires_grad_(False)
    found = merged.mismatch(open_adapter(tmp_path / "adapter"), describe_folder(tmp_path / "base"))
    held = {n: m for n, m in dense.named_modules() if isinstance(m, nn.Linear) and n != "lm_head"}
    losses = {n: float((m.weight - adapters.storage.rounded(m.weight)).norm()) for n, m in held.items()}
    deltas = {name: float(layer.delta_weight().norm()) for name, layer in adapters.layers.items()}

    assert found is not None
    assert found.ratio == pytest.approx(math.hypot(*losses.values()) / math.hypot(*deltas.values()), rel=1e-4)
    assert found.worst == pytest.approx(max(losses[name] / deltas[name] for name in deltas), rel=1e-4)
    assert f"{found.ratio:.3g} times" in found.sentence()
    for name, layer in adapters.layers.items():
        expected: Tensor = held[name].weight + layer.delta_weight()
        assert torch.allclose(original.get_parameter(f"{name}.weight"), expected, atol=1e-6), name


def test_a_dense_base_has_no_mismatch(tmp_path: Path) -> None:
    live(tmp_path, "llama", "dense")

    assert merged.mismatch(open_adapter(tmp_path / "adapter"), describe_folder(tmp_path / "base")) is None


def test_a_gguf_file_holds_the_trained_weights_as_well(tmp_path: Path) -> None:
    adapters = live(tmp_path, "llama", "nf4-double", dtype=torch.float16)
    out = tmp_path / "gguf"
    out.mkdir()
    info = describe_folder(tmp_path / "base")
    gguf.write(open_adapter(tmp_path / "adapter"), info, out, name="it", base="base", precision="F16", progress=silent)

    assert (logits(gguf.open_written(out).eval()) - logits(adapters.model)).abs().max() < 5e-3


def test_an_adapter_says_what_it_was_trained_over_and_an_old_one_was_over_numbers(tmp_path: Path) -> None:
    live(tmp_path, "llama", "int8")
    folder = tmp_path / "adapter"
    assert read(folder).storage.kind == "int8"
    file = folder / "adapter.json"
    file.write_text(file.read_text("utf-8").replace('"storage"', '"unknown"'), encoding="utf-8")

    assert read(folder).storage.kind == "dense"
