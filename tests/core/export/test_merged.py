"""Merged models, with plain transformers as the judge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.errors import Cancelled, UserError
from core.export import merged, shards
from core.export.saved import open_adapter
from core.models.folder import describe_folder
from core.models.headers import INDEX, WHOLE
from tests.core.export.made import Made, logits, make
from tests.tiny import tiny_tokenizer


def silent(text: str, share: float | None) -> None:
    assert text and (share is None or 0 <= share <= 1)


def exported(made: Made, out: Path, *, shard_bytes: int = shards.SHARD_BYTES) -> Path:
    out.mkdir()
    adapters, info = open_adapter(made.folder), describe_folder(made.base)
    merged.write(adapters, info, out, progress=silent, shard_bytes=shard_bytes)
    return out


def all_tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {key: tensor for file in shards.weight_files(folder) for key, tensor in load_file(file).items()}


@pytest.mark.parametrize("method", ["lora", "dora"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox"])
def test_plain_transformers_opens_a_merged_model_and_says_the_same(tmp_path: Path, family: str, method: str) -> None:
    made = make(tmp_path, family, method=method, rank=4, alpha=8)
    out = exported(made, tmp_path / "out")
    loaded = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    assert (logits(loaded) - made.logits()).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_keys_types_and_untouched_weights_stay_the_sources(tmp_path: Path, dtype: torch.dtype) -> None:
    made = make(tmp_path, "llama", dtype=dtype, rank=4)
    before, after = all_tensors(made.base), all_tensors(exported(made, tmp_path / "out"))
    assert before.keys() == after.keys()
    assert {tensor.dtype for tensor in after.values()} == {dtype}
    changed = {key.removesuffix(".weight") for key in before if not torch.equal(before[key], after[key])}
    assert changed == set(made.adapters.layers)


def test_a_merged_weight_is_rounded_once_from_the_exact_sum(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", dtype=torch.bfloat16, rank=4, alpha=8)
    before, after = all_tensors(made.base), all_tensors(exported(made, tmp_path / "out"))
    for name, layer in made.adapters.layers.items():
        b, a = layer.factors()
        exact = before[f"{name}.weight"].double() + layer.scale * (b.double() @ a.double())
        off = (after[f"{name}.weight"].double() - exact).abs()
        assert (off <= exact.abs() * 2.0**-8 + 1e-7).all()


def test_several_shards_come_with_an_index_that_transformers_follows(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    out = exported(made, tmp_path / "out", shard_bytes=40_000)
    files = shards.weight_files(out)
    index = json.loads((out / INDEX).read_text(encoding="utf-8"))
    assert len(files) > 2
    assert set(index["weight_map"]) == set(all_tensors(out))
    assert index["metadata"]["total_size"] == sum(t.numel() * 4 for t in all_tensors(out).values())
    loaded = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    assert (logits(loaded) - made.logits()).abs().max() < 1e-5


def test_a_sharded_source_is_read_through_its_index(tmp_path: Path) -> None:
    made = make(tmp_path, "gpt_neox", rank=4)
    plain = AutoModelForCausalLM.from_pretrained(made.base)
    for file in shards.weight_files(made.base):
        file.unlink()
    plain.save_pretrained(made.base, max_shard_size="60KB")
    assert len(shards.weight_files(made.base)) > 1
    loaded = AutoModelForCausalLM.from_pretrained(exported(made, tmp_path / "out"), dtype=torch.float32).eval()
    assert (logits(loaded) - made.logits()).abs().max() < 1e-5


def test_a_head_that_repeats_the_embedding_is_not_written_twice(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    tensors = load_file(made.base / WHOLE)
    assert "lm_head.weight" not in tensors
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, made.base / WHOLE, metadata={"format": "pt"})
    assert "lm_head.weight" not in all_tensors(exported(made, tmp_path / "out"))


def test_a_head_that_differs_from_the_embedding_is_kept(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    tensors = load_file(made.base / WHOLE)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    save_file(tensors, made.base / WHOLE, metadata={"format": "pt"})
    assert "lm_head.weight" in all_tensors(exported(made, tmp_path / "out"))


def test_files_without_the_modules_prefix_are_found(tmp_path: Path) -> None:
    made = make(tmp_path, "gpt2", rank=4)
    tensors = load_file(made.base / WHOLE)
    short = {key.removeprefix("transformer."): tensor for key, tensor in tensors.items()}
    save_file(short, made.base / WHOLE, metadata={"format": "pt"})
    out = exported(made, tmp_path / "out")
    assert all_tensors(out).keys() == short.keys()
    loaded = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    assert (logits(loaded) - made.logits()).abs().max() < 1e-5


def test_a_layer_that_the_files_do_not_hold_is_refused_by_name(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    name = "model.layers.1.self_attn.v_proj"
    info = describe_folder(made.base)
    tensors = load_file(made.base / WHOLE)
    del tensors[f"{name}.weight"]
    save_file(tensors, made.base / WHOLE, metadata={"format": "pt"})
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        merged.write(open_adapter(made.folder), info, tmp_path, progress=silent)


def test_quantised_weights_are_refused_in_words(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    tensors = load_file(made.base / WHOLE)
    key = "model.layers.0.self_attn.q_proj.weight"
    tensors[key] = tensors[key].to(torch.int8)
    save_file(tensors, made.base / WHOLE, metadata={"format": "pt"})
    with pytest.raises(UserError, match="stored as I8"):
        exported(made, tmp_path / "out")


def test_a_sum_too_large_for_float16_is_refused(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", dtype=torch.float16, rank=4, alpha=1e9)
    with pytest.raises(UserError, match="float16 cannot hold"):
        exported(made, tmp_path / "out")


def test_an_adapter_on_a_tied_head_is_refused(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    adapters = open_adapter(made.folder)
    adapters.layers["lm_head"] = next(iter(adapters.layers.values()))
    with pytest.raises(UserError, match="embedding as well as its head"):
        merged.refuse_tied(adapters, describe_folder(made.base).layers)


def test_tokenizer_template_and_generation_settings_travel_along(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    (made.base / "optimizer.pt").write_bytes(b"left behind")
    (made.base / "LICENSE").write_text("free", encoding="utf-8")
    out = exported(made, tmp_path / "out")
    assert (out / "LICENSE").read_text(encoding="utf-8") == "free"
    assert (out / "generation_config.json").read_bytes() == (made.base / "generation_config.json").read_bytes()
    assert not (out / "optimizer.pt").exists()
    assert AutoTokenizer.from_pretrained(out).chat_template == tiny_tokenizer().chat_template


def test_the_job_can_be_ended_between_two_tensors(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    told = []

    def stop(text: str, share: float | None) -> None:
        told.append(text)
        if len(told) == 3:
            raise Cancelled("The export was cancelled.")

    (tmp_path / "out").mkdir()
    with pytest.raises(Cancelled):
        merged.write(open_adapter(made.folder), describe_folder(made.base), tmp_path / "out", progress=stop)
    assert len(told) == 3


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    file = made.base / WHOLE
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="cut short"):
        exported(made, tmp_path / "out")
