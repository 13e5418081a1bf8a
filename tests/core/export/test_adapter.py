"""Adapters in PEFT's layout, with PEFT itself as the judge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

from core.adapters.attach import attach
from core.adapters.names import METHODS
from core.adapters.state import save
from core.adapters.storage import STORAGES
from core.errors import UserError
from core.export import adapter, foreign, serving
from core.export.saved import open_adapter
from core.models.catalog import describe
from tests.core.export.made import Made, logits, make, weighted_modules
from tests.core.train.small import plans, small_config
from tests.tiny import random_model

# The deprecated name is one that PEFT itself uses; so is the pattern of AdaLoRA's ranks, which it does not know again.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The following rank_pattern keys did not match:RuntimeWarning"),
]

FIRST = "model.layers.0.self_attn.q_proj"
TYPES = {
    "lora": "LORA", "rslora": "LORA", "dora": "LORA", "vera": "VERA", "adalora": "ADALORA", "loha": "LOHA",
    "lokr": "LOKR",
}  # fmt: skip
VECTORS = ("bitfit", "norm-tuning")
"""What trains no matrix: refused before a type is looked for."""
MARKS = ("lora_A", "vera_lambda_b", "hada_w1_a", "lokr_w1")
LINEAR_ONLY = ("loha", "lokr")
POINTS = [(family, method) for family in ("llama", "gpt2", "gpt_neox") for method in TYPES]
POINTS = [point for point in POINTS if point[0] != "gpt2" or point[1] not in LINEAR_ONLY]


def exported(made: Made, out: Path) -> Path:
    out.mkdir()
    plain = AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32)
    adapter.write(open_adapter(made.folder), out, base="somebody/model", modules=weighted_modules(plain), steps=9)
    return out


def said(folder: Path) -> dict:
    return json.loads((folder / adapter.CONFIG).read_text(encoding="utf-8"))


def peft_gap(made: Made, out: Path) -> float:
    """Largest difference between the live logits and those of PEFT with the exported adapter."""
    plain = AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32)
    loaded = PeftModel.from_pretrained(plain, out).eval()
    trained = {
        name
        for name, module in loaded.base_model.model.named_modules()
        if any(hasattr(module, mark) and len(getattr(module, mark)) for mark in MARKS)
    }
    assert trained == set(made.adapters.layers)
    return float((logits(loaded) - made.logits()).abs().max())


def reread(made: Made, out: Path) -> Tensor:
    """The logits of a fresh base with the exported adapter, read by this program."""
    plain = AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32).eval()
    foreign.put_on(plain, foreign.read(out, describe(made.base).layers), storage=STORAGES.default())
    return logits(plain)


@pytest.mark.parametrize(("family", "method"), POINTS)
def test_peft_opens_its_own_type_and_says_the_same_and_so_does_reading_it_back(
    tmp_path: Path, family: str, method: str
) -> None:
    made = make(tmp_path, family, method=method, rank=4, alpha=8)
    with made.adapters.disabled():
        assert (logits(made.model) - logits(AutoModelForCausalLM.from_pretrained(made.base))).abs().max() < 1e-6
    out = exported(made, tmp_path / "out")
    assert said(out)["peft_type"] == TYPES[method]
    assert peft_gap(made, out) < 1e-5
    assert (reread(made, out) - made.logits()).abs().max() < 1e-5


@pytest.mark.parametrize("method", [method.name for method in METHODS if method.name not in VECTORS])
def test_every_method_goes_out_as_pefts_own_type_as_the_lora_that_it_equals_or_not_at_all(method: str) -> None:
    config = small_config(adapter={"method": method, "rank": 4})
    model = random_model("llama")
    adapters = attach(model, plans(model, config), config.adapter, seed=0, storage=STORAGES.default())
    if method == "full":
        with pytest.raises(UserError, match="no type"):
            adapter.form_for(adapters)
        return

    form = adapter.form_for(adapters)

    assert form.type == TYPES.get(method.removeprefix("q"), "LORA")
    assert bool(adapter.equivalent(adapters, form)) is ("dvora" in method), "only DVoRA is PEFT's under another name"


def test_triplets_that_were_switched_off_are_left_out_and_a_layer_may_end_without_any(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", method="adalora", rank=4, alpha=8)
    first, second, *_ = made.adapters.layers.values()
    first.own["lam"].data[1:3] = 0
    second.own["lam"].data[:] = 0
    save(made.adapters, made.folder)
    out = exported(made, tmp_path / "out")
    pattern = said(out)["rank_pattern"]
    assert pattern[f"{first.plan.name}.lora_E"] == [True, False, False, True]
    assert pattern[f"{second.plan.name}.lora_E"] == [False] * 4
    assert peft_gap(made, out) < 1e-5
    read = foreign.read(out, describe(made.base).layers)
    assert {plan.name: plan.rank for plan in read.plans}[first.plan.name] == 2
    assert second.plan.name not in {plan.name for plan in read.plans}
    assert read.notes == ("1 layers of the adapter have rank 0 and were left out.",)
    assert (reread(made, out) - made.logits()).abs().max() < 1e-5


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_a_start_from_the_weight_is_exported_against_the_original_weight(tmp_path: Path, method: str) -> None:
    made = make(tmp_path, "llama", method=method, rank=4, alpha=8)
    out = exported(made, tmp_path / "out")
    assert peft_gap(made, out) < 1e-4
    assert (said(out)["r"], said(out)["lora_alpha"]) == (8, 16)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"method": "dvora"}, "VeRA knows no row lengths"),
        ({"method": "vera", "ranks": {FIRST: 3}}, "one rank and one pair"),
        ({"method": "adalora", "magnitude": "row"}, "AdaLoRA knows no row lengths"),
        ({"method": "adalora", "alphas": {FIRST: 3.0}}, "one rank and one alpha"),
    ],
)
def test_what_peft_has_no_type_for_goes_out_as_the_lora_that_it_equals(
    tmp_path: Path, options: dict[str, object], why: str
) -> None:
    made = make(tmp_path, "llama", **{"rank": 4, "alpha": 8, **options})
    out = exported(made, tmp_path / "out")
    opened = open_adapter(made.folder)
    assert said(out)["peft_type"] == "LORA"
    assert why in adapter.equivalent(opened, adapter.form_for(opened))
    assert peft_gap(made, out) < 1e-5


@pytest.mark.parametrize(
    ("family", "method", "why"),
    [("llama", "full", "more than two factors"), ("gpt2", "loha", "no LOHA for layers stored as GPT-2")],
)
def test_what_has_no_two_factors_is_refused_with_what_to_do(tmp_path: Path, family: str, method: str, why: str) -> None:
    made = make(tmp_path, family, method=method, rank=4, alpha=8)
    with pytest.raises(UserError, match=why) as refused:
        exported(made, tmp_path / "out")
    assert "plain LoRA" in refused.value.hint and "merged" in refused.value.hint
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("family", "options", "words"),
    [
        ("llama", {"rank": 9}, "--max-lora-rank 16."),
        ("llama", {"method": "pissa"}, "--max-lora-rank 8."),
        ("llama", {"ranks": {FIRST: 6}}, "--max-lora-rank 8; layers differ in rank"),
        ("llama", {"method": "dora"}, "no row lengths (DoRA): export a plain LoRA"),
        ("llama", {"method": "vera"}, "LoRA and not VERA: export a plain LoRA"),
        ("gpt2", {}, "no adapters on GPT-2: export a merged model"),
    ],
)
def test_an_export_says_how_vllm_opens_it_or_why_it_does_not(
    tmp_path: Path, family: str, options: dict[str, Any], words: str
) -> None:
    made = make(tmp_path, family, **{"rank": 4, "alpha": 8, **options})

    assert words in serving.vllm(open_adapter(made.folder))


@pytest.mark.parametrize("method", ["lora", "rslora", "loha"])
def test_peft_reads_ranks_and_alphas_of_single_layers(tmp_path: Path, method: str) -> None:
    made = make(tmp_path, "llama", method=method, rank=4, alpha=8, ranks={FIRST: 6}, alphas={FIRST: 3.5})
    out = exported(made, tmp_path / "out")
    assert peft_gap(made, out) < 1e-5
    assert said(out)["rank_pattern"] == {FIRST: 6}
    assert said(out)["alpha_pattern"] == {FIRST: 3.5}
    assert said(out).get("use_rslora", False) is (method == "rslora")
    assert (reread(made, out) - made.logits()).abs().max() < 1e-5


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


def test_an_export_says_what_peft_leaves_out_beside_experts(tmp_path: Path) -> None:
    """PEFT moves every target that is called like a layer of the experts onto the experts."""
    made = make(tmp_path, "llama", rank=4, alpha=8)
    info = describe(made.base)
    assert serving.peft(made.adapters, info) == ""
    assert "PEFT takes down_proj for layers of the experts" in serving.peft(made.adapters, replace(info, experts=4))
