"""Any adapter as the nearest plain LoRA: what it keeps is what the singular values say, and PEFT and GGUF hold it."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from core.errors import UserError
from core.export import lowrank
from core.export.job import export_job
from core.export.saved import open_adapter
from core.home import Home
from core.models.catalog import describe
from tests.core.export.made import logits, make
from tests.core.export.saved_run import save_run
from tests.core.export.test_job import left_behind, silent

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

THIN = ("lora", "vera", "adalora", "delta-lora", "dylora")
DENSE = ("dora", "loha", "lokr", "full", "dvora")


@pytest.mark.parametrize("method", [*THIN, *DENSE])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_what_is_kept_is_the_share_of_the_largest_singular_values(tmp_path: Path, family: str, method: str) -> None:
    made = make(tmp_path, family, method=method, rank=4, alpha=6)
    plain, kept = lowrank.convert(open_adapter(made.folder), describe(made.base), 3, progress=lambda *_: None)
    for one in kept:
        layer = made.adapters.layers[one.name]
        change = (layer.merged_weight() - layer.base_weight()).double()
        squares = torch.linalg.svdvals(change).square()
        assert one.norm == pytest.approx(float(change.norm()), rel=1e-5)
        assert one.share == pytest.approx(float(squares[:3].sum() / squares.sum()), abs=1e-6)
        left = change - plain.layers[one.name].delta_weight().double()
        assert 1 - float(left.norm() / change.norm()) ** 2 == pytest.approx(one.share, abs=1e-6)
    assert {layer.plan.rank for layer in plain.layers.values()} == {3}


@pytest.mark.parametrize("method", ["vera", "adalora", "dylora", "dora", "loha", "lokr", "full"])
def test_with_enough_rank_nothing_is_lost_and_peft_says_the_same(home: Home, tmp_path: Path, method: str) -> None:
    run, made = save_run(home, tmp_path, method=method, rank=4, alpha=6)
    rank = 4 if method in THIN else 32
    body = {"run": run, "to": "lora", "out": str(tmp_path / "out"), "rank": rank, "verify": True}
    result = export_job(home, body, silent)
    assert result["kept"]["share"] == pytest.approx(1, abs=1e-5)
    assert result["verified"]["max_logit_gap"] < 1e-4
    said = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (said["peft_type"], said["r"], said["lora_alpha"]) == ("LORA", rank, rank)
    assert (said["rank_pattern"], said["alpha_pattern"], said["use_dora"]) == ({}, {}, False)
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(made.base), tmp_path / "out").eval()
    assert (logits(loaded) - made.logits()).abs().max() < 1e-4


def test_what_is_lost_is_said_by_layer_and_measured(home: Home, tmp_path: Path) -> None:
    run, made = save_run(home, tmp_path, method="full", alpha=6)
    body = {"run": run, "to": "lora", "out": str(tmp_path / "out"), "rank": 2, "verify": True}
    result = export_job(home, body, silent)
    assert {row["name"] for row in result["kept"]["layers"]} == set(made.adapters.layers)
    assert 0.05 < result["kept"]["share"] < 0.6
    assert result["verified"]["max_logit_gap"] > 1e-3
    note = next(note for note in result["notes"] if "plain LoRA of rank 2" in note)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert note in card and "the nearest to a Full fine-tuning adapter" in card


@pytest.mark.parametrize(("method", "rank"), [("dora", 5), ("vera", 5), ("pissa", 10)])
def test_without_a_rank_the_one_is_taken_at_which_factors_lose_nothing_or_the_adapters_own(
    home: Home, tmp_path: Path, method: str, rank: int
) -> None:
    run, _ = save_run(home, tmp_path, method=method, rank=5)
    kept = export_job(home, {"run": run, "to": "lora", "out": str(tmp_path / "out")}, silent)["kept"]
    assert kept["rank"] == rank
    assert kept["share"] == pytest.approx(1) or method == "dora"


@pytest.mark.parametrize("rank", [0, -3, "eight"])
def test_a_rank_that_is_none_is_refused(home: Home, tmp_path: Path, rank: object) -> None:
    run, _ = save_run(home, tmp_path, rank=4)
    with pytest.raises(UserError, match="rank must be a whole number"):
        export_job(home, {"run": run, "to": "lora", "out": str(tmp_path / "out"), "rank": rank}, silent)
    assert left_behind(tmp_path) == []


def test_of_a_large_matrix_only_the_leading_directions_are_found_and_always_the_same() -> None:
    generator = torch.Generator().manual_seed(1)
    falling = torch.linspace(0, 6, 600).neg().exp()
    u, _ = torch.linalg.qr(torch.randn(700, 600, generator=generator))
    v, _ = torch.linalg.qr(torch.randn(600, 600, generator=generator))
    change = (u * falling) @ v.T
    u1, s1, vh1, norm = lowrank.leading(change, 16)
    assert len(s1) < 600
    assert norm == pytest.approx(float(falling.norm()), rel=1e-5)
    best, found = float(falling[:16].square().sum()), float(s1[:16].square().sum())
    assert 0.999 * best < found <= best * (1 + 1e-5)
    left = change - (u1[:, :16] * s1[:16]) @ vh1[:16]
    assert norm**2 - float(left.norm()) ** 2 == pytest.approx(found, rel=1e-4)
    torch.testing.assert_close(lowrank.leading(change, 16)[0], u1, rtol=0, atol=0)


def test_the_gguf_adapter_is_the_change_of_the_gguf_model(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, method="dora", rank=4, alpha=6)
    export_job(home, {"run": run, "to": "lora", "out": str(tmp_path / "lora"), "rank": 32}, silent)
    export_job(home, {"run": run, "to": "gguf", "out": str(tmp_path / "merged"), "precision": "F16"}, silent)
    (file,) = (tmp_path / "lora").glob("*.gguf")
    reader = gguf.GGUFReader(file)
    alpha = float(reader.fields["adapter.lora.alpha"].parts[-1][0])
    assert bytes(reader.fields["general.type"].parts[-1]) == b"adapter"
    assert bytes(reader.fields["adapter.type"].parts[-1]) == b"lora"
    parts = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
    (whole,) = (tmp_path / "merged").glob("*.gguf")
    merged = {tensor.name: np.array(tensor.data, dtype=np.float32) for tensor in gguf.GGUFReader(whole).tensors}
    base_run, _ = save_run(home, tmp_path / "untouched", rank=4, alpha=1e-6)
    export_job(home, {"run": base_run, "to": "gguf", "out": str(tmp_path / "plain")}, silent)
    (plain,) = (tmp_path / "plain").glob("*.gguf")
    base = {tensor.name: np.array(tensor.data, dtype=np.float32) for tensor in gguf.GGUFReader(plain).tensors}
    names = {name.removesuffix(".lora_a") for name in parts if name.endswith(".lora_a")}
    assert len(names) == 6
    for name in names:
        a, b = parts[f"{name}.lora_a"], parts[f"{name}.lora_b"]
        change = b @ a * (alpha / len(a))
        assert np.abs(base[name] + change - merged[name]).max() < 2e-3 * np.abs(merged[name]).max()
        assert np.abs(change).max() > 10 * 2e-3 * np.abs(merged[name]).max()


def test_where_gguf_has_no_names_for_a_model_the_folder_alone_is_written(home: Home, tmp_path: Path) -> None:
    run, _ = save_run(home, tmp_path, "gpt_neox", rank=4)
    result = export_job(home, {"run": run, "to": "lora", "out": str(tmp_path / "out")}, silent)
    assert [Path(file).name for file in result["files"]] == [
        "README.md", "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
