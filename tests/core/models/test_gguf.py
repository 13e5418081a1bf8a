"""A GGUF file becomes a folder that holds the same model, and whatever is wrong with one is said in a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
from transformers.utils.quantization_config import GgufConfig

from core.errors import Cancelled, UserError
from core.home import Home
from core.lock import FileLock
from core.models import gguf as conversion
from core.models.catalog import describe
from core.models.conversion import converted, folder_for
from core.models.gguf import convert
from core.models.gguf_config import config_of, llama3_frequencies
from core.models.gguf_header import read_gguf
from core.models.gguf_names import ARCHITECTURES
from core.models.gguf_tokenizer import CUTTINGS, pre_tokenizer_of
from core.models.load import load, resolve
from tests.core.models.gguf_files import write_gguf
from tests.tiny import TEXT, tiny_tokenizer

F32, F16, Q8_0, Q4_1 = (getattr(gguf.GGMLQuantizationType, name) for name in ("F32", "F16", "Q8_0", "Q4_1"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        scores: torch.Tensor = model(torch.arange(3, 43)[None]).logits
    return scores


def opened(folder: Path) -> PreTrainedModel:
    return load(folder, compute=torch.float32, device="cpu").model


@pytest.mark.parametrize("family", ARCHITECTURES)
@pytest.mark.parametrize("tied", [True, False])
def test_an_exact_file_gives_the_model_it_was_written_from(
    family: str, tied: bool, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "target_dtype", lambda header: torch.float32)
    model = write_gguf(tmp_path / "m.gguf", family, kind=F32, tie_word_embeddings=tied)
    loaded = load(convert(home, tmp_path / "m.gguf"), compute=torch.float32, device="cpu")
    torch.testing.assert_close(logits(loaded.model), logits(model), rtol=0, atol=1e-6)
    assert loaded.info.tied == tied
    assert loaded.info.dtype == "float32"


@pytest.mark.parametrize(("kind", "family", "dtype"), [
    (F32, "llama", "float32"), (F16, "llama", "float16"), (Q8_0, "llama", "float16"), (F16, "gemma3", "bfloat16"),
])  # fmt: skip
def test_the_folder_is_written_in_two_bytes_unless_the_file_has_four(
    kind: Any, family: str, dtype: str, home: Home, tmp_path: Path
) -> None:
    write_gguf(tmp_path / "m.gguf", family, kind=kind)
    assert describe(convert(home, tmp_path / "m.gguf")).dtype == dtype


def test_a_model_whose_heads_turn_only_in_part_keeps_that(home: Home, tmp_path: Path) -> None:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
    model = write_gguf(tmp_path / "m.gguf", "phi3", kind=F32, rope_parameters=rope)
    assert torch.equal(logits(opened(convert(home, tmp_path / "m.gguf"))), logits(model))


def test_the_largest_gemmas_scale_their_attention_by_another_width(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", "gemma2", fields={"gemma2.block_count": 46})
    header = read_gguf(tmp_path / "m.gguf", lists=True)
    config = config_of(header, ARCHITECTURES["gemma2"], dtype="bfloat16", frequencies=None)
    assert (config["query_pre_attn_scalar"], config["head_dim"]) == (64 // 4, 16)
    wider = write_gguf(tmp_path / "wide.gguf", "gemma2", fields={"gemma2.block_count": 46}, head_dim=32)
    config = config_of(read_gguf(tmp_path / "wide.gguf"), ARCHITECTURES["gemma2"], dtype="bfloat16", frequencies=None)
    assert (config["query_pre_attn_scalar"], config["head_dim"]) == (16, wider.config.head_dim)


def test_a_sentencepiece_vocabulary_cuts_text_by_its_scores(home: Home, tmp_path: Path) -> None:
    """Spaces are letters, a space stands in front, unknown letters fall back to bytes, and a text begins with <s>."""
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz."]
    words = ["he", "ll", "hell", "o", "hello", "▁hello", "wor", "ld", "or", "▁w"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters, *words[:3], *words[4:]]
    types = [2, 3, 3, *[6] * 256, *[1] * (len(tokens) - 259)]
    fields = {
        "tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": None, "tokenizer.ggml.merges": None,
        "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.scores": [-float(index) for index in range(len(tokens))],
    }  # fmt: skip
    write_gguf(tmp_path / "m.gguf", fields=fields, vocab_size=len(tokens))
    tokenizer = AutoTokenizer.from_pretrained(convert(home, tmp_path / "m.gguf"))
    assert tokenizer.tokenize("hello wé") == ["▁hello", "▁w", "<0xC3>", "<0xA9>"]
    ids = tokenizer("hello  w. <s>x")["input_ids"]
    assert ids[0] == 1
    assert tokenizer.decode(ids[1:]) == "hello  w. <s> x"
    judge = AutoTokenizer.from_pretrained(tmp_path, gguf_file="m.gguf")
    for text in ("hello world", "hello hello  world", "held, or wor é ld."):
        assert (
            tokenizer(text, add_special_tokens=False)["input_ids"] == judge(text, add_special_tokens=False)["input_ids"]
        )


@pytest.mark.parametrize("kind", [F16, Q8_0, Q4_1])
def test_every_weight_is_the_one_that_transformers_reads(kind: Any, home: Home, tmp_path: Path) -> None:
    """Theirs is the outside judge of de-quantising and of the order of rows; ours is written in float16."""
    write_gguf(tmp_path / "m.gguf", kind=kind)
    ours = opened(convert(home, tmp_path / "m.gguf")).state_dict()
    judge = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="m.gguf", dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    ).state_dict()
    assert ours.keys() == judge.keys()
    for name, weight in judge.items():
        assert torch.equal(ours[name], weight.half().float()), name


def test_biases_are_turned_like_their_rows(home: Home, tmp_path: Path) -> None:
    model = write_gguf(tmp_path / "m.gguf", "llama", kind=F32, attention_bias=True)
    loaded = opened(convert(home, tmp_path / "m.gguf"))
    assert loaded.config.attention_bias
    assert torch.equal(logits(loaded), logits(model))


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_the_map_of_the_file_is_the_map_of_its_folder(family: str, home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", family)
    file, folder = describe(tmp_path / "m.gguf"), describe(convert(home, tmp_path / "m.gguf"))
    assert file.layers == folder.layers == load(folder.path, compute=torch.float32, device="cpu").info.layers
    same = (
        "architecture",
        "model_type",
        "blocks",
        "parameters",
        "vocabulary",
        "hidden",
        "heads",
        "kv_heads",
        "head_dim",
    )
    for name in (*same, "intermediate", "context", "tied", "has_chat_template", "name"):
        assert getattr(file, name) == getattr(folder, name), name
    assert (file.kind, folder.kind) == ("gguf", "folder")


def test_the_tokenizer_of_the_file_cuts_text_as_the_original(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    folder = convert(home, tmp_path / "m.gguf")
    ours, original = AutoTokenizer.from_pretrained(folder), tiny_tokenizer()
    for text in (TEXT, "  12  345\n\n  1. Numbers", "naïve Ω 你好 ½²", "<|im_start|>user\nHi<|im_end|>", ""):
        assert ours(text)["input_ids"] == original(text)["input_ids"]
        assert ours.decode(ours(text)["input_ids"]) == text
    chat = [{"role": "user", "content": "Define 12."}]
    assert ours.apply_chat_template(chat) == original.apply_chat_template(chat)
    assert (ours.eos_token_id, ours.bos_token_id, ours.pad_token_id) == (2, 1, 0)
    assert ours.model_max_length == 256


def test_a_model_that_begins_every_text_with_a_token_still_does(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", fields={"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.pre": "llama-bpe"})
    ids = AutoTokenizer.from_pretrained(convert(home, tmp_path / "m.gguf"))("fox")["input_ids"]
    assert ids[0] == 1
    assert ids.count(1) == 1


def test_turns_that_end_with_a_token_of_their_own_end_generation(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", fields={"tokenizer.ggml.eot_token_id": 0})
    folder = convert(home, tmp_path / "m.gguf")
    generation = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    assert generation == {"bos_token_id": 1, "eos_token_id": [2, 0], "pad_token_id": 0}


def test_llama_3s_stretched_positions_are_found_again(home: Home, tmp_path: Path) -> None:
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }  # fmt: skip
    factors = llama3_frequencies(500000.0, 16, 32.0).astype(np.float32)
    arrays = {"rope_freqs.weight": factors}
    model = write_gguf(tmp_path / "m.gguf", kind=F32, arrays=arrays, rope_parameters=rope)
    loaded = opened(convert(home, tmp_path / "m.gguf"))
    assert loaded.config.rope_parameters == rope
    assert torch.equal(logits(loaded), logits(model))


def test_positions_stretched_in_another_way_are_refused(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", arrays={"rope_freqs.weight": np.linspace(1, 8, 8, dtype=np.float32)})
    with pytest.raises(UserError, match="not Llama 3's"):
        convert(home, tmp_path / "m.gguf")
    assert list(home.models.iterdir()) == []


def test_a_second_opening_finds_the_conversion(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    assert converted(home, tmp_path / "m.gguf") is None
    folder = resolve(home, tmp_path / "m.gguf")
    written = (folder / "model.safetensors").stat().st_mtime_ns
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(tmp_path / "m.gguf", tmp_path / "elsewhere" / "m.gguf")
    assert resolve(home, moved) == folder == converted(home, moved)
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_another_file_of_the_same_name_is_converted_anew(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    first = resolve(home, tmp_path / "m.gguf")
    write_gguf(tmp_path / "m.gguf", tie_word_embeddings=False)
    assert resolve(home, tmp_path / "m.gguf") != first


def test_the_folder_says_that_it_is_not_the_original(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", kind=Q4_1, fields={"general.license": "apache-2.0"})
    folder = convert(home, tmp_path / "m.gguf")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "De-quantised from `m.gguf`, a quantised model (Q4_1)" in readme
    assert "not the original checkpoint" in readme
    assert "apache-2.0" in readme
    assert any("m.gguf (Q4_1): not the original checkpoint" in note for note in describe(folder).notes)
    write_gguf(tmp_path / "exact.gguf", kind=F16)
    assert describe(convert(home, tmp_path / "exact.gguf")).notes == ()


def test_large_models_are_written_in_shards(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_gguf(tmp_path / "m.gguf", kind=F32)
    monkeypatch.setattr(conversion, "SHARD", 60_000)
    monkeypatch.setattr(conversion, "CHUNK", 1_000)
    folder = convert(home, tmp_path / "m.gguf")
    assert len(list(folder.glob("*.safetensors"))) > 3
    assert torch.equal(logits(opened(folder)), logits(model))


def test_a_cancelled_conversion_leaves_nothing(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")

    def cancel(text: str, share: float | None) -> None:
        if share and share > 0.5:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        convert(home, tmp_path / "m.gguf", cancel)
    assert list(home.models.iterdir()) == []


def test_a_second_conversion_of_the_same_file_waits_and_takes_the_first_ones_folder(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    home.models.mkdir(parents=True)
    said: list[str] = []
    other = FileLock(home.root / "convert.lock")
    assert other.acquire()

    def follow(text: str, share: float | None) -> None:
        said.append(text)
        if text.startswith("Waiting") and said.count(text) == 1:
            folder_for(home, tmp_path / "m.gguf").mkdir()
            (folder_for(home, tmp_path / "m.gguf") / "config.json").write_text("{}", encoding="utf-8")
            other.release()

    folder = convert(home, tmp_path / "m.gguf", follow)
    assert said == ["Reading the GGUF file", "Waiting for another conversion"]
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_progress_rises_from_nothing_to_everything(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    shares: list[float] = []
    convert(home, tmp_path / "m.gguf", lambda text, share: shares.append(share or 0.0))
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_a_full_disk_is_noticed_before_the_work(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gguf(tmp_path / "m.gguf")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"no room for the folder that m\.gguf is turned into.* and 1,000 are free"):
        convert(home, tmp_path / "m.gguf")
    assert list(home.models.iterdir()) == []


def test_a_disk_that_fills_up_on_the_way_leaves_nothing(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    write_gguf(tmp_path / "m.gguf")
    monkeypatch.setattr("core.models.gguf.save_file", full)
    with pytest.raises(UserError, match="There is no room for the folder"):
        convert(home, tmp_path / "m.gguf")
    assert list(home.models.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"general.architecture": "rwkv7"}, "architecture 'rwkv7', which cannot be opened"),
        ({"tokenizer.ggml.pre": "something-new"}, "cuts text in the way 'something-new'"),
        (
            {"llama.rope.scaling.type": "longrope", "llama.rope.scaling.factor": 4.0},
            "stretches positions in the way 'longrope'",
        ),
        ({"llama.embedding_length": None}, "does not say its llama.embedding_length"),
        ({"tokenizer.ggml.model": "rwkv"}, "of the kind 'rwkv'"),
        ({"tokenizer.ggml.tokens": None}, "has no tokenizer in it"),
        ({"tokenizer.ggml.merges": ["nowhere atall"]}, "tokenizer in .* is damaged: .*`nowhere` out of vocabulary"),
        ({"tokenizer.ggml.merges": ["one"]}, "tokenizer in .* is damaged"),
        ({"tokenizer.ggml.token_type": [1]}, "tokenizer in .* is damaged"),
        ({"llama.expert_count": 8}, "mixture of 8 experts"),
        ({"general.type": "adapter"}, "an adapter, not a model"),
        ({"split.count": 3}, "one of 3 parts"),
        ({"general.alignment": 0}, "damaged"),
    ],
)
def test_a_file_that_cannot_be_turned_into_a_folder_says_why(
    fields: dict[str, Any], sentence: str, home: Home, tmp_path: Path
) -> None:
    write_gguf(tmp_path / "m.gguf", fields=fields)
    with pytest.raises(UserError, match=sentence):
        convert(home, tmp_path / "m.gguf")
    assert list(home.models.glob("*")) == []


def test_words_where_numbers_belong_are_as_good_as_none(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", fields={"split.count": "three", "llama.expert_count": "eight"})
    assert describe(tmp_path / "m.gguf").blocks == 2


def test_numbers_that_cannot_be_read_are_named_by_their_type(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", arrays={"blk.0.attn_q.bias": np.zeros(64, dtype=np.float64)})
    with pytest.raises(UserError, match="stored as F64, which cannot be turned into numbers"):
        convert(home, tmp_path / "m.gguf")
    assert list(home.models.iterdir()) == []


def test_a_tensor_without_a_place_is_not_dropped_in_silence(home: Home, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", arrays={"blk.0.attn_sinks.weight": np.zeros(4, dtype=np.float32)})
    with pytest.raises(UserError, match=r"holds blk\.0\.attn_sinks\.weight, which a llama model has no place for"):
        convert(home, tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"GGML and more", "does not begin with GGUF"),
        (b"GGUF\x01\x00\x00\x00", "version 1"),
        (b"GGUF\x03\x00\x00\x00", "damaged or cut short"),
        (b"GGUF\x03\x00\x00\x00" + b"\xff" * 64, "damaged or cut short"),
    ],
)
def test_what_is_no_gguf_file_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        describe(tmp_path / "m.gguf")


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf")
    data = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match="cut short"):
        describe(tmp_path / "m.gguf")


@pytest.mark.parametrize("name", sorted(CUTTINGS.keys() & GGUF_PRE_TOKENIZER_SPLITS.keys()))
def test_the_rules_of_cutting_are_those_that_transformers_has_where_it_has_some(name: str) -> None:
    assert CUTTINGS[name].pattern == GGUF_PRE_TOKENIZER_SPLITS[name]


def test_numbers_are_cut_as_each_model_was_trained() -> None:
    pieces = {
        name: [piece for piece, _ in pre_tokenizer_of(CUTTINGS[name]).pre_tokenize_str("a 1234")] for name in CUTTINGS
    }
    assert pieces["gpt-2"] == ["a", "\u01201234"]
    assert pieces["smollm"] == ["a", "\u0120", "1", "2", "3", "4"]
    assert pieces["llama-bpe"] == pieces["gpt-4o"] == ["a", "\u0120", "123", "4"]
    assert pieces["qwen2"] == pieces["tekken"] == ["a", "\u0120", "1", "2", "3", "4"]
