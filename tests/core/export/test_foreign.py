"""Adapters that PEFT itself has made, read here: the same logits for every type, and sentences for what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from core.adapters.storage import STORAGES
from core.config.select import select
from core.errors import UserError
from core.export import foreign
from core.export.adapter import CONFIG, TENSORS
from core.models.catalog import describe
from tests.core.export.made import PROJECTIONS, logits
from tests.tiny import tiny_model

# The deprecated name is one that PEFT itself uses.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False:UserWarning"),
    pytest.mark.filterwarnings("ignore:Specified to not (save|load) vera_A:UserWarning"),
    pytest.mark.filterwarnings("ignore:The following (rank|alpha)_pattern keys did not match:RuntimeWarning"),
]

CONFIGS: dict[str, Any] = {
    "lora": lambda targets: peft.LoraConfig(
        r=4, lora_alpha=6, target_modules=targets, rank_pattern={"layers.0.self_attn.q_proj": 2, "c_fc": 3},
        alpha_pattern={"^.*[dc]_proj": 5, "dense_4h_to_h": 3},
    ),
    "rslora": lambda targets: peft.LoraConfig(r=4, lora_alpha=6, target_modules=targets, use_rslora=True),
    "dora": lambda targets: peft.LoraConfig(r=4, lora_alpha=6, target_modules=targets, use_dora=True),
    "dora-rslora": lambda targets: peft.LoraConfig(
        r=4, lora_alpha=6, target_modules=targets, use_dora=True, use_rslora=True
    ),
    "vera": lambda targets: peft.VeraConfig(r=4, target_modules=targets),
    "vera-unsaved": lambda targets: peft.VeraConfig(
        r=4, target_modules=targets, save_projection=False, projection_prng_key=3
    ),
    "adalora": lambda targets: peft.AdaLoraConfig(init_r=4, lora_alpha=6, target_modules=targets, total_step=10),
    "loha": lambda targets: peft.LoHaConfig(r=4, alpha=6, target_modules=targets),
    "lokr": lambda targets: peft.LoKrConfig(r=2, alpha=6, target_modules=targets, decompose_factor=4),
}  # fmt: skip
POINTS = [(family, kind) for family in ("llama", "gpt2", "gpt_neox") for kind in CONFIGS]
POINTS = [point for point in POINTS if point[0] != "gpt2" or point[1] not in ("loha", "lokr")]


def made_by_peft(folder: Path, family: str, config: Any) -> tuple[Path, Path, torch.Tensor]:
    """A base model, an adapter of PEFT's with random values on it, and what both say together."""
    base = tiny_model(family, folder / "base")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = peft.get_peft_model(model, config).eval()
    generator = torch.Generator().manual_seed(3)
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad and "ranknum" not in name:
            parameter.data += torch.randn(parameter.shape, generator=generator) * 0.1
    adapted.save_pretrained(folder / "adapter")
    return base, folder / "adapter", logits(adapted)


@pytest.mark.parametrize(("family", "kind"), POINTS)
def test_an_adapter_of_pefts_says_the_same_here(tmp_path: Path, family: str, kind: str) -> None:
    base, adapter, said = made_by_peft(tmp_path, family, CONFIGS[kind](list(PROJECTIONS[family])))
    layers = describe(base).layers
    read = foreign.read(adapter, layers)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    with torch.no_grad():
        before = logits(plain)
    foreign.put_on(plain, read, storage=STORAGES.default())
    assert (said - before).abs().max() > 1e-3
    assert (logits(plain) - said).abs().max() < 1e-5
    assert tuple(select(layers, read.config)) == read.plans


@pytest.fixture
def lora(tmp_path: Path) -> tuple[Path, Path]:
    """A base model and a LoRA of PEFT's for it."""
    base, adapter, _ = made_by_peft(tmp_path, "llama", CONFIGS["rslora"](["q_proj"]))
    return base, adapter


def change(adapter: Path, **said: Any) -> None:
    path = adapter / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **said}), encoding="utf-8")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"peft_type": "IA3"}, "type IA3, which is not known"),
        ({"bias": "all"}, "trains biases"),
        ({"lora_bias": True}, "trains biases of its own"),
        ({"trainable_token_indices": [3]}, "embeddings of single tokens"),
        ({"init_lora_weights": "pissa_niter_4"}, "base weights that its start"),
        ({"r": 7}, "the rank 7, its file 4"),
        ({"r": "x"}, "r must be a number"),
        ({"lora_alpha": 0}, "says what cannot be"),
        ({"r": float("nan")}, "r must be a number"),
        ({"rank_pattern": {"(": 3}}, "which says nothing"),
        ({"rank_pattern": [3]}, "rank_pattern must be a table"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_in_words(lora: tuple[Path, Path], said: Any, why: str) -> None:
    base, adapter = lora
    change(adapter, **said)
    with pytest.raises(UserError, match=why):
        foreign.read(adapter, describe(base).layers)


def test_another_base_model_is_refused_by_what_does_not_fit(lora: tuple[Path, Path], tmp_path: Path) -> None:
    wide = tiny_model("llama", tmp_path / "wide", hidden_size=64)
    other = tiny_model("gpt2", tmp_path / "other")
    read = foreign.read(lora[1], describe(wide).layers)
    plain = AutoModelForCausalLM.from_pretrained(wide, dtype=torch.float32)
    with pytest.raises(UserError, match=r"q_proj\.a is 4 x 32 in the adapter, 4 x 64 is what the layer asks for"):
        foreign.put_on(plain, read, storage=STORAGES.default())
    with pytest.raises(UserError, match="which the model does not have"):
        foreign.read(lora[1], describe(other).layers)


def test_pickles_are_refused_and_never_opened(lora: tuple[Path, Path]) -> None:
    base, adapter = lora
    (adapter / TENSORS).rename(adapter / "adapter_model.bin")
    with pytest.raises(UserError, match="is a pickle"):
        foreign.read(adapter, describe(base).layers)


def test_damage_is_said_in_words(lora: tuple[Path, Path], tmp_path: Path) -> None:
    base, adapter = lora
    layers = describe(base).layers
    tensors = load_file(adapter / TENSORS)
    (adapter / TENSORS).write_bytes((adapter / TENSORS).read_bytes()[:-40])
    with pytest.raises(UserError, match="cannot be read"):
        foreign.read(adapter, layers)
    tensors.pop(next(key for key in tensors if "lora_B" in key))
    save_file(tensors, adapter / TENSORS)
    with pytest.raises(UserError, match="lacks the tensor"):
        foreign.read(adapter, layers)
    (adapter / CONFIG).write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        foreign.read(adapter, layers)
    with pytest.raises(UserError, match="no PEFT adapter"):
        foreign.read(tmp_path, layers)


def test_whole_modules_are_refused_by_name(tmp_path: Path) -> None:
    config = peft.LoraConfig(r=4, target_modules=["query_key_value"], modules_to_save=["final_layer_norm"])
    base, adapter, _ = made_by_peft(tmp_path, "gpt_neox", config)
    with pytest.raises(UserError, match=r"replaces whole modules .*final_layer_norm"):
        foreign.read(adapter, describe(base).layers)


def test_a_pair_that_was_not_saved_is_drawn_again_and_that_is_said(tmp_path: Path) -> None:
    base, adapter, _ = made_by_peft(tmp_path, "llama", CONFIGS["vera-unsaved"](["q_proj"]))
    assert "drawn anew from its key 3" in foreign.read(adapter, describe(base).layers).notes[0]


def test_names_without_the_models_beginning_are_understood(lora: tuple[Path, Path]) -> None:
    base, adapter = lora
    tensors = load_file(adapter / TENSORS)
    save_file({key.replace("model.model.", "model.", 1): tensor for key, tensor in tensors.items()}, adapter / TENSORS)
    assert [plan.name for plan in foreign.read(adapter, describe(base).layers).plans] == [
        f"model.layers.{block}.self_attn.q_proj" for block in (0, 1)
    ]
