"""llama.cpp itself as the outside judge of what is written for it, where its Python bindings are installed.

They are not among the test packages, since they are built from source for minutes: `pip install llama-cpp-python`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from core.export import gguf, gguf_adapter, lowrank
from core.export.saved import open_adapter
from core.models.folder import describe_folder
from tests.core.export.made import Made, make
from tests.tiny import TEXT, tiny_tokenizer

llama_cpp: Any = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
IDS = [int(number) for number in np.random.default_rng(0).integers(3, 300, 40)]
NEAR = 2e-3
"""What float16 leaves of logits up to 1."""


def said_by_llama_cpp(file: Path, *, adapter: Path | None = None) -> np.ndarray:
    model = llama_cpp.Llama(
        str(file), lora_path=str(adapter) if adapter else None, n_ctx=64, n_threads=1, logits_all=True, verbose=False
    )
    try:
        model.eval(IDS)
        assert model.tokenize(TEXT.encode(), add_bos=False) == tiny_tokenizer()(TEXT)["input_ids"]
        return np.array(model.scores[: len(IDS)])
    finally:
        model.close()


@torch.no_grad()
def said_by(model: Any) -> np.ndarray:
    found: np.ndarray = model(input_ids=torch.tensor([IDS])).logits[0].numpy()
    return found


def merged(made: Made, folder: Path, *, changed: bool = True) -> Path:
    folder.mkdir()
    adapters = open_adapter(made.folder)
    if not changed:
        for layer in adapters.layers.values():
            layer.own["b"].data.zero_()
    info = describe_folder(made.base)
    name = gguf.write(adapters, info, folder, name="m", base="b", precision="F16", progress=lambda *_: None)
    return folder / name


@pytest.mark.parametrize("family", gguf.WRITTEN)
def test_a_merged_file_and_an_adapter_over_the_base_say_what_the_live_model_says(tmp_path: Path, family: str) -> None:
    made = make(tmp_path, family, rank=4, alpha=6)
    live = said_by(made.model)
    assert np.abs(said_by_llama_cpp(merged(made, tmp_path / "merged")) - live).max() < NEAR
    base = merged(made, tmp_path / "plain", changed=False)
    untouched = said_by(AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32).eval())
    assert np.abs(said_by_llama_cpp(base) - untouched).max() < NEAR < np.abs(live - untouched).max() / 50
    info = describe_folder(made.base)
    plain, _ = lowrank.convert(open_adapter(made.folder), info, 4, progress=lambda *_: None)
    (tmp_path / "lora").mkdir()
    name = gguf_adapter.write(plain, info, tmp_path / "lora", name="m", base="b", rank=4)
    assert np.abs(said_by_llama_cpp(base, adapter=tmp_path / "lora" / name) - live).max() < NEAR
