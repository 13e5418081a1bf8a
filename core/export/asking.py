"""Asking an export what the trained model was asked: the run's own examples, to both, one model in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from core.adapters.attach import Adapters
from core.adapters.state import read, reattach
from core.adapters.storage import STORAGES
from core.config.run import JUDGING, RunConfig
from core.data.fitting import fitting
from core.data.prepare import prepare
from core.errors import UserError
from core.export import foreign, gguf
from core.export.request import LOOSE, Request, Source
from core.export.verify import Agreement, Probe, answers, compare, within_budget
from core.home import Home
from core.models.hold import round_weights
from core.models.info import ModelInfo
from core.models.load import load
from core.saying import Say

FALLBACK = "A model learns from examples, and what it has learned shows in what it says next."


def verify(
    request: Request, source: Source, written: Adapters, progress: Say, *, home: Home | None = None
) -> Agreement:
    """Ask the live model and the exported one the same, one after the other.

    Args:
        request, source: what was exported.
        written: the adapters that went out: their layers have the ranks that a cut has left.
        progress: told what is going on.
        home: where the tokens of the run's data may be kept.
    """
    progress("Asking the trained model", None)
    judged = source.config.task in JUDGING
    labels = read(source.folder).labels if judged else None
    loaded = load(source.info.path, compute=torch.float32, device="cpu", storage=source.config.storage, labels=labels)
    asked = within_budget(probes(source.config, loaded.tokenizer, source.info, home), source.info.vocabulary)
    live = reattach(loaded.model, source.folder, storage=source.config.storage)
    if request.to != "lora":
        for name, layer in live.layers.items():
            layer.active_rank = written.layers[name].active_rank
    said = answers(loaded.model, asked, judged=judged)
    del loaded, live
    progress("Asking the exported model", None)
    heard = answers(open_export(request, source), asked, judged=judged)
    return compare(said, heard, asked, judged=judged)


def open_export(request: Request, source: Source) -> nn.Module:
    """The exported model in float32 on the CPU, opened as a stranger would; an adapter over the base it belongs to."""
    if request.to in LOOSE:
        labels = read(source.folder).labels if source.config.task in JUDGING else None
        loaded = load(source.info.path, compute=torch.float32, device="cpu", labels=labels)
        round_weights(loaded.model, loaded.info.layers, source.config.storage)
        foreign.put_on(loaded.model, foreign.read(request.out, loaded.info.layers), storage=STORAGES.default())
        return loaded.model
    if request.to == "gguf":
        return gguf.open_written(request.out)
    kind: Any = AutoModelForSequenceClassification if source.config.task in JUDGING else AutoModelForCausalLM
    opened: nn.Module = kind.from_pretrained(request.out, dtype=torch.float32, local_files_only=True, use_cache=False)
    return opened


def probes(
    config: RunConfig, tokenizer: PreTrainedTokenizerBase, info: ModelInfo, home: Home | None = None
) -> Iterator[Probe]:
    """The run's held-out examples, or its training examples where it has none; its prompts where the data has gone.

    One is made when it is asked for: of many tokens that are kept, no more are looked at than will be answered.
    """
    try:
        prepared = prepare(fitting(config.data, info), tokenizer, config.seed, task=config.task, home=home)
    except UserError:
        texts = [text for text in config.train.prompts if text.strip()] or [FALLBACK]
        ids = [tuple(tokenizer(text)["input_ids"]) for text in texts]
        yield from (Probe(one, (True,) * len(one)) for one in ids)
        return
    for example in prepared.held_out or prepared.train:
        one = example.texts()[0]
        yield Probe(tuple(one.ids.tolist()), tuple(one.trained.tolist()))
