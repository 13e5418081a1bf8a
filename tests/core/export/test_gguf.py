"""GGUF files, read back by this program's own reader and compared number by number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.errors import UserError
from core.export import gguf, merged
from core.export.saved import open_adapter
from core.home import Home
from core.models import gguf as conversion
from core.models.folder import describe_folder
from core.models.gguf import convert
from core.models.headers import WHOLE
from tests.core.export.made import Made, logits, make
from tests.tiny import TEXT, tiny_model, tiny_tokenizer


def silent(text: str, share: float | None) -> None:
    assert text and share is not None and 0 <= share <= 1


def exported(made: Made, out: Path, *, precision: str = "F16") -> Path:
    out.mkdir()
    info = describe_folder(made.base)
    name = gguf.write(
        open_adapter(made.folder), info, out, name="my run", base="base", precision=precision, progress=silent
    )
    return out / name


@pytest.mark.parametrize("family", gguf.WRITTEN)
def test_what_is_written_is_read_back_number_by_number(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "target_dtype", lambda header: torch.float32)
    made = make(tmp_path, family, rank=4, alpha=8, dtype=torch.float16)
    file = exported(made, tmp_path / "gguf")
    back = load_file(convert(Home(tmp_path / "home"), file) / WHOLE)
    (tmp_path / "merged").mkdir()
    merged.write(open_adapter(made.folder), describe_folder(made.base), tmp_path / "merged", progress=lambda *_: None)
    wanted = load_file(tmp_path / "merged" / WHOLE)
    assert back.keys() == wanted.keys()
    for key, tensor in wanted.items():
        torch.testing.assert_close(back[key], tensor.float(), rtol=0, atol=1e-7 if "norm" in key else 0, msg=key)


@pytest.mark.parametrize(("precision", "near"), [("F16", 2e-3), ("BF16", 2e-2), ("Q8_0", 5e-2)])
def test_the_file_says_what_the_live_model_says(tmp_path: Path, precision: str, near: float) -> None:
    made = make(tmp_path, "llama", rank=4, alpha=8)
    exported(made, tmp_path / "gguf", precision=precision)
    assert (logits(gguf.open_written(tmp_path / "gguf").eval()) - made.logits()).abs().max() < near


def test_tokenizer_and_template_come_back_the_same(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    folder = convert(Home(tmp_path / "home"), exported(made, tmp_path / "gguf"))
    back, ours = AutoTokenizer.from_pretrained(folder), tiny_tokenizer()
    assert back.chat_template == ours.chat_template
    assert back(TEXT)["input_ids"] == ours(TEXT)["input_ids"]
    assert (back.bos_token, back.eos_token, back.pad_token) == (ours.bos_token, ours.eos_token, ours.pad_token)


def test_the_file_is_named_after_run_size_and_precision(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    assert exported(made, tmp_path / "gguf", precision="Q8_0").name == "my-run-31K-Q8_0.gguf"


def test_vectors_stay_float32_and_matrices_take_the_precision(tmp_path: Path) -> None:
    made = make(tmp_path, "qwen2", rank=4)
    tensors = GGUFReader(exported(made, tmp_path / "gguf", precision="Q8_0")).tensors
    kinds = {(len(tensor.shape) > 1, tensor.tensor_type.name) for tensor in tensors}
    assert kinds == {(False, "F32"), (True, "Q8_0")}


def test_llama_3s_stretched_positions_are_kept(tmp_path: Path) -> None:
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
    }  # fmt: skip
    made = make(tmp_path, "llama", rank=4)
    base = tiny_model("llama", made.base, rope_parameters=rope)
    folder = convert(Home(tmp_path / "home"), exported(made, tmp_path / "gguf"))
    back, ours = (AutoModelForCausalLM.from_pretrained(path) for path in (folder, base))
    assert np.isclose(back.model.rotary_emb.inv_freq, ours.model.rotary_emb.inv_freq, rtol=1e-6).all()


def test_another_architecture_is_refused_in_words(tmp_path: Path) -> None:
    made = make(tmp_path, "gpt_neox", rank=4)
    with pytest.raises(UserError, match="is not written as GGUF here"):
        exported(made, tmp_path / "gguf")


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    with pytest.raises(UserError, match="no precision 'Q4_K_M'"):
        exported(made, tmp_path / "gguf", precision="Q4_K_M")


def test_a_tokenizer_whose_rules_have_no_name_is_refused(tmp_path: Path) -> None:
    made = make(tmp_path, "llama", rank=4)
    path = made.base / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"individual_digits":true', '"individual_digits":false')
                    .replace('"individual_digits": true', '"individual_digits": false'), encoding="utf-8")  # fmt: skip
    with pytest.raises(UserError, match="cuts text in a way"):
        exported(made, tmp_path / "gguf")
