"""Packing: several examples in one row, none of which sees another.

The positions start anew with each example, and no attention mask is given: from the positions `transformers` makes the
block-diagonal causal mask itself, in the form that the attention in use wants, and with the sliding window of the
models that have one, which a ready-made mask would override. Models that work their positions or their memory out in
another way do not honour that. Which ones is asked of the model, not of a list: `packable` compares what it says with
and without a neighbour.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch

from core.evaluating import evaluating

if TYPE_CHECKING:
    from torch import Tensor, nn

MIXING = frozenset({
    "bailing_hybrid", "bart", "bigbird_pegasus", "biogpt", "blenderbot", "bloom", "cpmant", "falcon", "falcon_mamba",
    "gpt_oss", "granitemoehybrid", "jamba", "lfm3", "mamba", "mamba2", "minimax", "mpt", "nemotron_h", "olmo_hybrid",
    "opt", "qwen3_5_text", "qwen3_next", "recurrent_gemma", "roformer", "rwkv", "xlstm", "zaya",
})  # fmt: skip
"""Model types of which small ones with random weights were not `packable`: the preview goes by their names, since no
model is loaded for it. A run asks its model."""


@torch.no_grad()
def packable(model: nn.Module) -> bool:
    """Whether a model keeps packed examples apart: asked by one pass over a few tokens.

    The second of two packed examples must come out as it does alone, while with the positions going on it would not.

    Args:
        model: a causal language model on any device, in any number format; left as it was.
    """
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    embedding = model.get_input_embeddings()  # type: ignore[operator]
    one, other = torch.tensor([[3, 5, 7, 11, 13, 17], [19, 2, 23, 29, 4, 31]], device=embedding.weight.device)
    one, other = (ids.remainder(embedding.weight.shape[0])[None] for ids in (one, other))
    row, count = torch.cat([one, other], dim=1), one.shape[1]
    places = torch.arange(count, device=row.device)[None]
    with evaluating(model):
        alone = _logits(model, other, places)
        packed = _logits(model, row, torch.cat([places, places], dim=1))[:, count:]
        joined = _logits(model, row, torch.cat([places, places + count], dim=1))[:, count:]
    leak, difference = (packed - alone).abs().max(), (joined - alone).abs().max()
    return bool(leak <= 1e-5 * alone.abs().max()) or bool(leak < 0.1 * difference)


def _logits(model: nn.Module, ids: Tensor, places: Tensor) -> Tensor:
    logits: Tensor = model(input_ids=ids, position_ids=places, use_cache=False).logits
    return logits.float()
