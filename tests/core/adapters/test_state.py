"""An adapter on disk: what is there is read, and what is not is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.adapters.state import TENSORS, read, restore, save
from core.errors import UserError
from tests.laws.world import Point, adapt


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "layers": [{}], "adapter": {}}'])
def test_a_damaged_description_is_told_by_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / "adapter.json").write_text(text, encoding="utf-8")

    with pytest.raises(UserError, match=r"adapter\.json is damaged"):
        read(tmp_path)


@pytest.mark.parametrize("harm", ["shorter", "gone", "more"])
def test_tensors_that_do_not_fit_are_refused_and_change_nothing(tmp_path: Path, harm: str) -> None:
    adapters = adapt("llama", Point("lora", "none", "alpha/r"), fresh=False)
    adapters.detach()
    save(adapters, tmp_path)
    tensors = {key: tensor.neg() for key, tensor in load_file(tmp_path / TENSORS).items()}
    key = sorted(tensors)[-1]
    if harm == "shorter":
        tensors[key] = tensors[key][:1].clone()  # which torch would spread over all rows
    else:
        tensors[f"{key}.else"] = tensors.pop(key) if harm == "gone" else tensors[key].clone()
    save_file(tensors, tmp_path / TENSORS)
    before = {name: tensor.clone() for name, tensor in adapters.tensors().items()}

    with pytest.raises(UserError, match="does not fit these layers"):
        restore(adapters, read(tmp_path))
    assert all(torch.equal(tensor, before[name]) for name, tensor in adapters.tensors().items())
