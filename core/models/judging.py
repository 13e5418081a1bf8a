"""The head of a model that judges texts: which of its tensors it is, and where those that the folder lacks begin.

A checkpoint that writes text, or fills gaps in it, has no head that judges. Its numbers are drawn here, from the seed
and the tensor's name, so that equal seeds begin alike whatever else was drawn before. A checkpoint that judges already
goes on with its own, if it has as many classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification

from core.models.headers import read_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

POOLER = ".pooler."
"""What stands between the body and the head of an encoder; checkpoints without a head often lack it."""
PROBLEMS = {True: "single_label_classification", False: "regression"}


def settings(labels: Sequence[str]) -> dict[str, Any]:
    """What the configuration says of the head: the names of its classes; no names mean one number."""
    names = list(labels) or ["value"]
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
        "problem_type": PROBLEMS[bool(labels)],
    }


def head_names(model: PreTrainedModel, missing: Collection[str] = ()) -> list[str]:
    """The names of the head's tensors: all outside the body, and a pooler that the folder lacks."""
    body = f"{model.base_model_prefix}."
    return [
        name
        for name, _ in model.named_parameters()
        if not name.startswith(body) or (name in missing and POOLER in name)
    ]


def head_size(folder: Path, labels: Sequence[str]) -> int:
    """How many numbers the head of a folder's model has; nothing of its weights is read.

    Args:
        folder: the model's.
        labels: the names of the classes; none mean one number.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True, **settings(labels))
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]
    there = tuple(read_folder(folder))
    missing = [
        name
        for name, _ in model.named_parameters()
        if POOLER in name and not any(each.endswith(name[name.index(POOLER) + 1 :]) for each in there)
    ]
    return sum(model.get_parameter(name).numel() for name in head_names(model, missing))


def first_values(model: PreTrainedModel, drawn: Collection[str], *, seed: int) -> dict[str, Tensor]:
    """The head's tensors as the training begins, float32 on the CPU.

    Args:
        model: as it was opened.
        drawn: the names of those that the folder does not have.
        seed: of the numbers drawn.
    """
    deviation = float(getattr(model.config.get_text_config(), "initializer_range", 0.02))
    found = {}
    for name in head_names(model, drawn):
        own = model.get_parameter(name).detach().float().cpu().clone()
        found[name] = _drawn(name, own, deviation, seed) if name in drawn else own
    return found


def _drawn(name: str, tensor: Tensor, deviation: float, seed: int) -> Tensor:
    """Weights from a normal distribution; biases begin at 0, and the factors of a norm at 1."""
    if tensor.dim() < 2:
        return torch.zeros_like(tensor) if name.endswith("bias") else torch.ones_like(tensor)
    digest = hashlib.sha256(f"{seed}/head/{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.randn(tensor.shape, generator=generator) * deviation


def lacking(report: Mapping[str, Any], head: Collection[str]) -> tuple[set[str], dict[str, Any]]:
    """The head's tensors that have to be drawn, and the report of the opening without them."""
    drawn = {name for name in report["missing_keys"] if name in head}
    drawn |= {name for name, *_ in report["mismatched_keys"] if name in head}
    rest = {
        "missing_keys": [name for name in report["missing_keys"] if name not in drawn],
        "mismatched_keys": [entry for entry in report["mismatched_keys"] if entry[0] not in drawn],
    }
    return drawn, rest
