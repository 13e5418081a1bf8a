"""The map read from file headers is the model that `transformers` loads, for every family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from core.models.catalog import describe
from core.models.judging import head_names
from core.models.known import known_model_types, writes_text
from core.models.walk import walk
from tests.tiny import FAMILIES, random_model, tiny_model

ROLES = {
    "llama": {"q", "k", "v", "o", "gate", "up", "down"},
    "mistral": {"q", "k", "v", "o", "gate", "up", "down"},
    "qwen2": {"q", "k", "v", "o", "gate", "up", "down"},
    "qwen3": {"q", "k", "v", "o", "gate", "up", "down"},
    "gemma": {"q", "k", "v", "o", "gate", "up", "down"},
    "gemma2": {"q", "k", "v", "o", "gate", "up", "down"},
    "gemma3_text": {"q", "k", "v", "o", "gate", "up", "down"},
    "phi": {"q", "k", "v", "o", "fc1", "fc2"},
    "phi3": {"qkv", "o", "gate_up", "down"},
    "gpt2": {"qkv", "o", "fc1", "fc2"},
    "gpt_neox": {"qkv", "o", "fc1", "fc2"},
    "bert": {"q", "k", "v", "o", "fc1", "fc2"},
    "roberta": {"q", "k", "v", "o", "fc1", "fc2"},
    "qwen3_moe": {"q", "k", "v", "o"},
    "opt": {"q", "k", "v", "o", "fc1", "fc2"},
    "gptj": {"q", "k", "v", "o", "fc1", "fc2"},
    "bloom": {"qkv", "o", "fc1", "fc2"},
}


def load(folder: Path, family: str) -> PreTrainedModel:
    head = AutoModelForMaskedLM if family in ("bert", "roberta") else AutoModelForCausalLM
    model: PreTrainedModel = head.from_pretrained(folder)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_the_headers_and_the_loaded_model_give_the_same_layers(family: str, tmp_path: Path) -> None:
    tiny_model(family, tmp_path)
    described = describe(tmp_path)
    assert described.layers == walk(load(tmp_path, family))
    assert {layer.role for layer in described.adaptable} == ROLES[family]
    assert [layer.role for layer in described.layers if not layer.adaptable and layer.role != "other"] == [
        "embed",
        "head",
    ]
    assert described.blocks == 2
    assert {layer.block for layer in described.adaptable} == {0, 1}


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "qwen3_moe"])
def test_every_described_layer_is_a_module_of_the_same_size(family: str, tmp_path: Path) -> None:
    tiny_model(family, tmp_path)
    model = load(tmp_path, family)
    for layer in describe(tmp_path).layers:
        rows, columns = model.get_submodule(layer.name).weight.shape
        assert (rows, columns) == (
            (layer.in_features, layer.out_features)
            if layer.kind == "conv1d"
            else (layer.out_features, layer.in_features)
        )


def test_the_conv1d_matrices_of_gpt2_are_turned_round(tmp_path: Path) -> None:
    tiny_model("gpt2", tmp_path)
    fused = next(layer for layer in describe(tmp_path).layers if layer.role == "qkv")
    assert (fused.out_features, fused.in_features, fused.kind) == (96, 32, "conv1d")


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "bert", "roberta", "phi"])
def test_a_checkpoint_of_the_bare_model_gives_the_names_of_the_whole_one(family: str, tmp_path: Path) -> None:
    """As the files of GPT-2 and of most encoders are: without `transformer.` or `bert.` in front of every name."""
    tiny_model(family, tmp_path, tie_word_embeddings=True)
    random_model(family, tie_word_embeddings=True).base_model.save_pretrained(tmp_path)
    assert not any(
        name.startswith(("model.", "bert.", "transformer.")) for name in load_file(tmp_path / "model.safetensors")
    )
    assert describe(tmp_path).layers == walk(load(tmp_path, family))


def test_buffers_of_old_checkpoints_are_no_parameters(tmp_path: Path) -> None:
    tiny_model("gpt2", tmp_path)
    before = describe(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["transformer.h.0.attn.bias"] = weights["transformer.wpe.weight"].new_ones(1, 1, 256, 256)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    after = describe(tmp_path)
    assert (after.parameters, after.layers) == (before.parameters, before.layers)


def test_the_first_gpt_stores_its_weights_as_the_second_does(tmp_path: Path) -> None:
    tiny_model("openai-gpt", tmp_path, **FAMILIES["gpt2"])
    assert describe(tmp_path).layers == walk(load(tmp_path, "openai-gpt"))


@pytest.mark.parametrize("family", ["opt", "gptj", "bloom"])
def test_an_architecture_without_a_table_is_described_by_guessing(family: str, tmp_path: Path) -> None:
    tiny_model(
        family, tmp_path, hidden_size=32, n_embd=32, num_hidden_layers=2, n_layer=2, num_attention_heads=4, n_head=4,
        ffn_dim=64, rotary_dim=4, word_embed_proj_dim=32,
    )  # fmt: skip
    described = describe(tmp_path)
    assert described.adaptable == tuple(layer for layer in walk(load(tmp_path, family)) if layer.adaptable)
    assert {layer.role for layer in described.adaptable} == ROLES[family]
    assert any("guessed" in note for note in described.notes)


def test_the_experts_of_a_mixture_are_left_out_and_spoken_of(tmp_path: Path) -> None:
    tiny_model("qwen3_moe", tmp_path)
    described = describe(tmp_path)
    assert described.experts == 4
    assert not any("expert" in layer.name for layer in described.layers)
    assert any("4 experts" in note for note in described.notes)


def test_the_sizes_of_a_model_come_from_its_config(tmp_path: Path) -> None:
    info = describe(tiny_model("qwen3", tmp_path))
    assert (info.hidden, info.heads, info.kv_heads, info.head_dim, info.intermediate) == (32, 4, 2, 16, 64)
    assert (info.vocabulary, info.context, info.blocks, info.dtype, info.tied) == (384, 256, 2, "float32", False)
    assert info.parameters == random_model("qwen3").num_parameters()
    assert info.bytes == info.parameters * 4
    assert info.has_chat_template
    assert info.writes_text


@pytest.mark.parametrize("family", FAMILIES)
def test_tied_heads_are_recognised_where_the_config_is_silent(family: str, tmp_path: Path) -> None:
    tiny_model(family, tmp_path)
    said = describe(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config.pop("tie_word_embeddings", None)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert describe(tmp_path).tied == said.tied


NARROW = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "embedding_size": 16,
    "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "cls_token_id": 1, "sep_token_id": 2,
}  # fmt: skip


@pytest.mark.parametrize("head", ["gaps", "none", "classes"])
@pytest.mark.parametrize("family", ["electra", "distilbert", "deberta", "deberta-v2", "modernbert", "albert", "mpnet"])
def test_an_encoder_has_the_same_layers_whatever_head_it_was_saved_with(family: str, head: str, tmp_path: Path) -> None:
    config = AutoConfig.for_model(family, **{"vocab_size": 384, "pad_token_id": 0}, **NARROW)
    whole = AutoModelForMaskedLM if head == "gaps" else AutoModelForSequenceClassification
    model = whole.from_config(config)
    (model.base_model if head == "none" else model).save_pretrained(tmp_path)
    described = describe(tmp_path)
    judging = AutoModelForSequenceClassification.from_config(config)
    assert described.adaptable == tuple(layer for layer in walk(judging) if layer.adaptable)
    assert not {layer.name for layer in described.adaptable} & {name.rpartition(".")[0] for name in head_names(judging)}
    assert not described.writes_text


def test_the_files_of_bloom_leave_out_what_stands_in_front_of_every_name(tmp_path: Path) -> None:
    model = random_model("bloom", hidden_size=32, n_layer=2, n_head=4)
    model.base_model.save_pretrained(tmp_path)
    assert "h.0.mlp.dense_h_to_4h.weight" in load_file(tmp_path / "model.safetensors")
    assert describe(tmp_path).adaptable == tuple(layer for layer in walk(model) if layer.adaptable)


def test_what_writes_is_read_from_the_source_of_transformers_as_it_is() -> None:
    everything = known_model_types() | set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    assert {name for name in everything if writes_text(name)} == set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def test_encoders_are_known_not_to_write(tmp_path: Path) -> None:
    info = describe(tiny_model("bert", tmp_path))
    assert not info.writes_text
    assert any("does not continue" in note for note in info.notes)


def test_of_a_model_that_sees_only_the_language_part_is_offered(tmp_path: Path) -> None:
    text = {
        "vocab_size": 384, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8,
    }  # fmt: skip
    eyes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = random_model("gemma3", text_config=text, vision_config={**eyes, "image_size": 28, "patch_size": 14})
    model.save_pretrained(tmp_path)
    described = describe(tmp_path)
    assert described.layers == walk(model)
    assert {layer.name.rsplit(".", 2)[0] for layer in described.adaptable} == {
        "model.language_model.layers.0",
        "model.language_model.layers.1",
    }
    assert (described.blocks, described.hidden, described.vocabulary) == (2, 32, 384)
