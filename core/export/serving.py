"""What vLLM and PEFT make of an adapter in PEFT's layout: said only when it is loaded, maybe on another machine.

vLLM knows LoRA alone, and among its settings not all that PEFT knows (its `lora/peft_helper.py`, 0.32). Ranks come in
steps, of which it has to be told when it is started. Older releases (0.15) take one rank and one alpha for all layers,
whatever the patterns say, and compute something else without a word.
"""

from __future__ import annotations

from core.adapters.attach import Adapters
from core.export.adapter import LORA, form_for, head_modules
from core.models.info import ModelInfo

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Those that `--max-lora-rank` takes."""
HEADS = frozenset({"classifier", "score"})
"""Modules that it takes whole beside the layers."""
OF_EXPERTS = frozenset({"gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"})
"""Names that PEFT (0.21) takes for the experts of a mixture, wherever else a layer is called so."""
STATEFUL = frozenset({"falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"})
"""Model types on whose `out_proj` PEFT puts no adapter."""


def peft(adapters: Adapters, info: ModelInfo) -> str:
    """What PEFT does not open of an adapter that it has a type for; empty where it opens all of it."""
    ends = {name.rpartition(".")[2] for name in adapters.layers}
    lost = sorted(ends & OF_EXPERTS) if info.experts else []
    if lost:
        text = f"PEFT takes {', '.join(lost)} for layers of the experts, and leaves out what those beside them learned"
        return f"{text}: export a merged model for it."
    if info.model_type in STATEFUL and "out_proj" in ends:
        return "PEFT does not open it, as it puts no adapters on out_proj of this kind of model: export a merged model."
    return ""


def vllm(adapters: Adapters) -> str:
    """How vLLM opens an adapter that goes out as it is, or why it does not and what to export instead."""
    form = form_for(adapters)
    said = form.settings(adapters, steps=1)
    rank = max((said.get("r", 0), *(said.get("rank_pattern") or {}).values())) if form.type == LORA else 0
    heads = sorted({*head_modules(adapters.head)} - HEADS)
    if form.type != LORA:
        return _refused(f"it knows LoRA and not {form.type}", "a plain LoRA or a merged model")
    if said["use_dora"]:
        return _refused("it knows no row lengths (DoRA)", "a plain LoRA or a merged model")
    if said["fan_in_fan_out"]:
        return _refused("it puts no adapters on GPT-2", "a merged model")
    if heads:
        return _refused(f"it takes no {heads[0]} from an adapter", "a merged model")
    if rank > RANKS[-1]:
        return _refused(f"ranks end at {RANKS[-1]} there", "a plain LoRA of a lower rank or a merged model")
    opened = f"vLLM opens it with --enable-lora --max-lora-rank {next(step for step in RANKS if step >= rank)}"
    if said["rank_pattern"] or said["alpha_pattern"]:
        return (
            f"{opened}; layers differ in rank or alpha, which its older releases pass over, so try a plain LoRA there."
        )
    return f"{opened}."


def _refused(why: str, instead: str) -> str:
    return f"vLLM does not open it, as {why}: export {instead} for it."
