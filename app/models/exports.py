"""What can be exported, in words: the forms, what speaks against one of them, and the bases that can be merged into."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.adapters.selection.vectors import Vectors
from core.config.run import JUDGING, RunConfig
from core.figures.figure import Axis, Bars
from core.figures.names import matrix_name

FORMS = {
    "adapter": (
        "Adapter (PEFT)",
        "A small folder, loaded on top of the base model; PEFT's own type where it has one.",
    ),
    "lora": (
        "Plain LoRA",
        "The nearest LoRA of one rank, which llama.cpp, vLLM and Ollama load. What it keeps is shown by layer.",
    ),
    "merged": ("Merged model", "A whole model folder for plain transformers, the change added in."),
    "gguf": ("GGUF file", "The whole model as one file for llama.cpp, Ollama and LM Studio."),
}
"""Key to a form's name and one sentence."""
ONTO = {
    "trained": (
        "Into the quantised weights",
        "The weights that were trained over, as numbers of full precision: the very model that was trained.",
    ),
    "original": (
        "Into the original weights",
        "The weights of the model's files: not the model that was trained. How far off it is, is measured.",
    ),
}
"""Key to the name of a base that can be merged into, and what choosing it means."""
PRECISIONS = {"F16": "F16", "BF16": "BF16", "Q8_0": "Q8_0, half the size"}
LOOSE = ("adapter", "lora")
"""Forms that are loaded on top of the base model."""
MERGING = ("merged", "gguf")
PRODUCTS = ("loha", "lokr")
"""Deltas without two factors that PEFT has a type for."""


def quantised(config: RunConfig) -> bool:
    """Whether the base was held in fewer bits while the run was trained."""
    return "float_base" not in config.storage.provides


def every_rank(config: RunConfig) -> bool:
    """Whether the adapter was trained for every rank up to its own."""
    return "every_rank" in config.adapter.axis("rank_schedule").provides


def asks_rank(form: str, config: RunConfig) -> bool:
    """Whether a form leaves a rank to be chosen."""
    return form == "lora" or every_rank(config)


def own_rank(config: RunConfig) -> int:
    """The largest rank of a layer's adapter."""
    return max([config.adapter.rank, *config.adapter.ranks.values()])


def whole_rank(config: RunConfig) -> int:
    """The rank at which a plain LoRA loses nothing of an adapter that is one; of others their own.

    What a base gives up for a start, or takes up on the way, is as many directions again.
    """
    adapter = config.adapter
    starts, follows = "offset" in adapter.axis("init").provides, "follows" in adapter.axis("base_update").provides
    return own_rank(config) * (1 + starts) * (1 + follows)


def rank_means(form: str, config: RunConfig) -> str:
    """What there is to know of the rank that is chosen."""
    own, whole = own_rank(config), whole_rank(config)
    if form == "lora":
        more = f", and its change {whole}" if whole > own else ""
        return f"The adapter has {own}{more}. vLLM takes up to 16 by itself."
    return f"The adapter was trained for every rank from 1 to {own}."


def asks_base(form: str, config: RunConfig) -> bool:
    """Whether there are two bases that the change can be added to."""
    return form in MERGING and quantised(config)


def objection(form: str, config: RunConfig) -> str:
    """Why a run cannot be exported in a form; empty where it can."""
    if form in LOOSE and isinstance(config.adapter.axis("selection"), Vectors):
        return "Biases and norms were trained, which no format of adapters holds."
    delta = config.adapter.axis("delta")
    if form == "adapter" and "factors" not in delta.provides and delta.kind not in PRODUCTS:
        return f"PEFT has no type of adapter for {config.method_label}: what it learns has no two factors."
    if form == "gguf" and config.task in JUDGING:
        return "A GGUF file holds models that write; this one judges texts."
    return ""


def kept_figure(kept: dict[str, Any]) -> Bars:
    """What a plain LoRA keeps of each layer's change, the least first."""
    rows = sorted(kept["layers"], key=lambda row: (row["share"], row["name"]))
    shares = np.array([row["share"] for row in rows], dtype=np.float64)
    names = tuple(matrix_name(row["name"], row["block"]) for row in rows)
    return Bars(
        title=f"Kept of each layer's change at rank {kept['rank']}",
        value=Axis("Squared norm", "%"),
        names=names,
        values=shares * 100,
        details=tuple(row["name"] for row in rows),
        shares=shares,
        help="How much of each layer's change the nearest LoRA of this rank keeps (Eckart and Young, 1936), the least "
        "first: where little is kept, the layer learned in more directions than that.",
    )
