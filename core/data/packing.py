"""Packing: several examples in one row, none of which sees another.

The positions start anew with each example, and no attention mask is given: from the positions `transformers` makes the
block-diagonal causal mask itself, in the form that the attention in use wants, and with the sliding window of the
models that have one, which a ready-made mask would override. Models that work their positions or their memory out in
another way do not honour that. Which ones is asked of the model, not of a list: `packable` compares what it says behind
one neighbour, behind another, and alone.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch

from core.evaluating import evaluating

if TYPE_CHECKING:
    from torch import Tensor, nn

MIXING = frozenset({
    "afmoe", "bailing_hybrid", "bamba", "bart", "bert-generation", "big_bird", "bigbird_pegasus", "biogpt",
    "blenderbot", "blenderbot-small", "bloom", "cpmant", "data2vec-text", "deepseek_v4", "ernie", "falcon",
    "falcon_h1", "falcon_mamba", "gpt_oss", "granitemoehybrid", "inkling_text", "jamba", "kimi_linear", "lfm2",
    "lfm2_moe", "lfm3", "mamba", "mamba2", "marian", "mbart", "megatron-bert", "minimax", "mpt", "mvp",
    "nemotron_h", "olmo_hybrid", "openai-gpt", "opt", "pegasus", "plbart", "qwen3_5_moe_text", "qwen3_5_text",
    "qwen3_next", "recurrent_gemma", "rembert", "roberta-prelayernorm", "roformer", "rwkv", "trocr", "whisper",
    "xglm", "xlm", "xlm-roberta-xl", "xlnet", "xlstm", "zamba", "zamba2", "zaya",
})  # fmt: skip
"""Model types of which small ones with random weights were not `packable`: the preview goes by their names, since no
model is loaded for it. A run asks its model."""
TOKENS = ((3, 5, 7, 11, 13, 17), (23, 61, 41, 37, 53, 47), (19, 2, 23, 29, 4, 31))
"""Two neighbours and an example."""
NOISE, ROUNDED_NOISE = 1e-4, 3e-2
"""What share of a neighbour's influence may be left by rounding alone (experts take their tokens in other groups, 8-bit
arithmetic other ranges): in float32, and in anything narrower."""


@torch.no_grad()
def packable(model: nn.Module) -> bool:
    """Whether a model keeps packed examples apart: asked by three passes over a few tokens.

    Another neighbour in front must not change an example, although it does where the positions go on; and the example
    must come out as it does alone, which with the positions going on it would not.

    Args:
        model: a causal language model on any device, in any number format; left as it was.
    """
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    weight = model.get_input_embeddings().weight  # type: ignore[operator]
    tokens = torch.tensor(TOKENS, device=weight.device).remainder(weight.shape[0])
    neighbours, example = tokens[:2], tokens[2:]
    rows, count = torch.cat([neighbours, example.expand(2, -1)], dim=1), tokens.shape[1]
    places = torch.arange(count, device=rows.device)[None]
    with evaluating(model):
        alone = _logits(model, example, places)
        packed = _logits(model, rows, torch.cat([places, places], dim=1).expand(2, -1))[:, count:]
        joined = _logits(model, rows, torch.cat([places, places + count], dim=1).expand(2, -1))[:, count:]
    leak, seen = (_most(each[0] - each[1]) for each in (packed, joined))
    gap, difference = (_most(each - alone) for each in (packed, joined))
    noise = NOISE if weight.dtype == torch.float32 else ROUNDED_NOISE
    return leak <= noise * seen and (gap <= 1e-5 * _most(alone) or gap < 0.1 * difference)


def _most(logits: Tensor) -> float:
    return float(logits.abs().max())


def _logits(model: nn.Module, ids: Tensor, places: Tensor) -> Tensor:
    logits: Tensor = model(input_ids=ids, position_ids=places, use_cache=False).logits
    return logits.float()
