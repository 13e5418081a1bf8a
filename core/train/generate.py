"""What the model answers, greedily, so that two answers differ only by what the adapter has learned."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from core.data.rendering import Renderer
from core.evaluating import evaluating


def answer(model: nn.Module, tokenizer: Any, prompt: str, *, tokens: int, device: torch.device) -> str:
    """The most likely continuation of a prompt, put as a user's turn where the model has a chat template.

    Args:
        model: as it is, adapters included; it is put into evaluation mode and left in the mode it was in.
        tokenizer: the model's.
        prompt: the user's words.
        tokens: the most tokens of the answer; fewer where the model reads no more than that.
        device: where the model is.

    Returns:
        The answer alone, without special tokens.
    """
    from transformers import GenerationConfig

    ids = _encode(tokenizer, prompt)
    context = getattr(model.config, "max_position_embeddings", None)
    if isinstance(context, int) and ids.shape[1] + tokens > context:
        tokens = min(tokens, max(1, context - 1))
        ids = ids[:, -max(1, context - tokens) :]
    greedy = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=tokens, use_cache=True, do_sample=False, num_beams=1, temperature=1.0, top_p=1.0, top_k=50,
        repetition_penalty=1.0, pad_token_id=_padding(tokenizer), eos_token_id=_ends(model, tokenizer),
    )  # fmt: skip
    ids = ids.to(device)
    with evaluating(model), torch.no_grad():
        said = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=greedy)  # type: ignore[operator]
    text: str = tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True)
    return text.strip()


def _encode(tokenizer: Any, prompt: str) -> Tensor:
    """The prompt's token ids, (1, n); of one that is empty the token that begins or ends a text."""
    if tokenizer.chat_template:
        text = Renderer(tokenizer).question(prompt)
        encoded = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    else:
        encoded = tokenizer(prompt, return_tensors="pt")
    ids: Tensor = encoded["input_ids"]
    if ids.numel():
        return ids
    known = (token for token in (tokenizer.bos_token_id, tokenizer.eos_token_id) if token is not None)
    return torch.tensor([[next(known, 0)]])


def _ends(model: nn.Module, tokenizer: Any) -> list[int] | None:
    """Every token that ends an answer: the generation config's and the tokenizer's."""
    said = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = set(said if isinstance(said, list) else [said]) | {tokenizer.eos_token_id}
    return sorted(token for token in found if token is not None) or None


def _padding(tokenizer: Any) -> int | None:
    found: int | None = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return found
