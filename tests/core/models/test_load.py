"""Opening a model: the number format asked for, nothing random, nothing run, and the same layers as in the map."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import UserError
from core.home import Home
from core.models.catalog import TINY, describe
from core.models.load import load, load_tokenizer, resolve
from tests.tiny import LANGUAGE_FAMILIES, tiny_model


@pytest.mark.parametrize("family", LANGUAGE_FAMILIES)
def test_every_family_opens_frozen_with_the_layers_of_its_map(family: str, tmp_path: Path) -> None:
    loaded = load(tiny_model(family, tmp_path), compute=torch.float32, device="cpu")
    assert loaded.info.layers == describe(tmp_path).layers
    assert loaded.info.tied == describe(tmp_path).tied
    assert not loaded.model.training
    assert not loaded.model.config.use_cache
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert loaded.tokenizer.pad_token_id == 0


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_the_number_format_is_the_one_asked_for_not_the_folders(compute: torch.dtype, tmp_path: Path) -> None:
    tiny_model("llama", tmp_path)
    half = {name: tensor.half() for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    save_file(half, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded = load(tmp_path, compute=compute, device="cpu")
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {compute}
    assert loaded.info.dtype == "float16"


def test_weights_that_the_folder_lacks_are_never_made_up(tmp_path: Path) -> None:
    tiny_model("llama", tmp_path, tie_word_embeddings=False)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"], weights["lm_head.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lack lm_head\.weight and 1 more.*random numbers"):
        load(tmp_path, compute=torch.float32, device="cpu")


def test_an_encoder_is_refused_for_writing_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="BERT model: it reads texts and does not continue them"):
        load(tiny_model("bert", tmp_path), compute=torch.float32, device="cpu")


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    tiny_model("llama", tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"The tokenizer in .* cannot be opened"):
        load(tmp_path, compute=torch.float32, device="cpu")


def test_weights_of_another_shape_than_the_config_says_are_a_users_error(tmp_path: Path) -> None:
    tiny_model("llama", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "intermediate_size": 96}), encoding="utf-8")
    with pytest.raises(UserError, match=r"do not fit its config.*down_proj.* is \(32, 64\) and should be \(32, 96\)"):
        load(tmp_path, compute=torch.float32, device="cpu")


@pytest.mark.parametrize(
    "change",
    [
        {"num_attention_heads": "four"}, {"num_attention_heads": 5}, {"num_attention_heads": 0}, {"hidden_size": None},
        {"hidden_act": "nope"},
    ],
)  # fmt: skip
def test_a_config_that_no_model_can_be_built_from_is_a_users_error(change: dict[str, object], tmp_path: Path) -> None:
    tiny_model("llama", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
    if "hidden_act" not in change:  # which only the model itself looks at
        with pytest.raises(UserError, match="cannot be built from its config"):
            load_tokenizer(tmp_path)
    with pytest.raises(UserError, match="cannot be built from its config"):
        load(tmp_path, compute=torch.float32, device="cpu")


@pytest.mark.parametrize("content", ["", "[]", '{"version": "1.0", "model": null}'])
def test_a_damaged_tokenizer_is_a_users_error(content: str, tmp_path: Path) -> None:
    tiny_model("llama", tmp_path)
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"The tokenizer in .* cannot be opened") as caught:
        load_tokenizer(tmp_path)
    assert caught.value.path == "model.path"


def test_a_tokenizer_with_a_program_of_its_own_is_not_run(tmp_path: Path) -> None:
    tiny_model("llama", tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings |= {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "own.py").write_text("raise SystemExit('it was run')\n", encoding="utf-8")
    with pytest.raises(UserError, match="needs a program of its own"):
        load_tokenizer(tmp_path)


def test_padding_is_a_token_that_the_model_has_a_row_for(tmp_path: Path) -> None:
    tiny_model("llama", tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    tokenizer.add_special_tokens({"pad_token": "<|added|>"})
    tokenizer.save_pretrained(tmp_path)
    rows = describe(tmp_path).vocabulary
    assert tokenizer.pad_token_id >= rows > load_tokenizer(tmp_path).pad_token_id


def test_a_tokenizer_without_padding_gets_the_end_of_a_text(tmp_path: Path) -> None:
    tiny_model("llama", tmp_path)
    path = tmp_path / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings.pop("pad_token")
    path.write_text(json.dumps(settings), encoding="utf-8")
    assert load(tmp_path, compute=torch.float32, device="cpu").tokenizer.pad_token == "<|im_end|>"


def test_a_folder_resolves_to_itself(tmp_path: Path) -> None:
    folder = tiny_model("llama", tmp_path / "model")
    assert resolve(Home(tmp_path / "home"), folder) == folder


def test_the_tiny_model_of_the_program_opens_and_knows_its_novels() -> None:
    loaded = load(TINY, compute=torch.float32, device="cpu")
    assert (loaded.info.blocks, loaded.info.dtype, loaded.info.tied) == (4, "float16", True)
    assert loaded.info.has_chat_template
    ids = loaded.tokenizer("She was not at all sorry to have been so much mistaken.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        loss = loaded.model(input_ids=ids, labels=ids).loss
    assert loss < 4.0  # an untrained model of this vocabulary has ln 2048 = 7.6
