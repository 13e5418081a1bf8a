"""Adapters in PEFT's layout, with PEFT itself as the judge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from core.errors import UserError
from core.export import adapter
from core.export.saved import open_adapter
from tests.core.export.made import Made, logits, make, weighted_modules

# The deprecated name is one that PEFT itself uses.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

FIRST = "model.layers.0.self_attn.q_proj"


def exported(made: Made, out: Path) -> Path:
    out.mkdir()
    plain = AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32)
    adapter.write(open_adapter(made.folder), out, base="somebody/model", modules=weighted_modules(plain))
    return out


def said(folder: Path) -> dict:
    return json.loads((folder / adapter.CONFIG).read_text(encoding="utf-8"))


def peft_gap(made: Made, out: Path) -> float:
    """Largest difference between the live logits and those of PEFT with the exported adapter."""
    plain = AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32)
    loaded = PeftModel.from_pretrained(plain, out).eval()
    trained = {name for name, module in loaded.base_model.model.named_modules() if hasattr(module, "lora_A")}
    assert trained == set(made.adapters.layers)
    return float((logits(loaded) - made.logits()).abs().max())


@pytest.mark.parametrize("method", ["lora", "dora"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox"])
def test_peft_opens_an_exported_adapter_and_says_the_same(tmp_path: Path, family: str, method: str) -> None:
    made = make(tmp_path, family, method=method, rank=4, alpha=8)
    with made.adapters.disabled():
        assert (logits(made.model) - logits(AutoModelForCausalLM.from_pretrained(made.base))).abs().max() < 1e-6
    assert peft_gap(made, exported(made, tmp_path / "out")) < 1e-5


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_a_start_from_the_weight_is_exported_against_the_original_weight(tmp_path: Path, method: str) -> None:
    made = make(tmp_path, "llama", method=method, rank=4, alpha=8)
    out = exported(made, tmp_path / "out")
    assert peft_gap(made, out) < 1e-4
    assert (said(out)["r"], said(out)["lora_alpha"]) == (8, 16)


@pytest.mark.parametrize("method", ["full", "loha", "lokr"])
def test_what_has_no_two_factors_is_refused_with_what_to_do(tmp_path: Path, method: str) -> None:
    made = make(tmp_path, "llama", method=method, rank=4, alpha=8)
    with pytest.raises(UserError, match="more than PEFT's adapter layout can hold") as refused:
        exported(made, tmp_path / "out")
    assert "merged" in refused.value.hint
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("method", ["lora", "rslora"])
def test_peft_reads_ranks_and_alphas_of_single_layers(tmp_path: Path, method: str) -> None:
    made = make(tmp_path, "llama", method=method, rank=4, alpha=8, ranks={FIRST: 6}, alphas={FIRST: 3.5})
    out = exported(made, tmp_path / "out")
    assert peft_gap(made, out) < 1e-5
    assert said(out)["rank_pattern"] == {FIRST: 6}
    assert said(out)["alpha_pattern"] == {FIRST: 3.5}
    assert said(out)["use_rslora"] is (method == "rslora")


def test_only_the_trained_layers_of_a_kind_are_caught(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4, only="layers.1.")
    out = exported(made, tmp_path / "out")
    assert all(name.startswith("model.layers.1.") for name in said(out)["target_modules"])
    assert peft_gap(made, out) < 1e-5


def test_a_kind_that_is_trained_everywhere_is_named_by_its_suffix(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    assert said(exported(made, tmp_path / "out"))["target_modules"] == ["down_proj", "q_proj", "v_proj"]


def test_a_suffix_that_other_modules_share_is_not_used() -> None:
    modules = ["h.0.attn.c_proj", "h.0.mlp.c_proj", "h.0.mlp.c_fc"]
    assert adapter.targets(["h.0.attn.c_proj", "h.0.mlp.c_fc"], modules) == ["c_fc", "h.0.attn.c_proj"]


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_reading_back_gives_the_live_weights(tmp_path: Path, method: str) -> None:
    made = make(tmp_path, "gpt2", method=method, rank=4, alpha=8)
    plain = AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32).eval()
    adapter.add_to(plain, adapter.read(exported(made, tmp_path / "out")))
    assert (logits(plain) - made.logits()).abs().max() < 1e-5


def test_a_damaged_adapter_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / adapter.CONFIG).write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        adapter.read(tmp_path)
