"""Whether a model can be computed at all: a few tokens go through it before anything is built on it.

A config.json may name sizes that do not fit together and still be opened: an odd number of rotated positions, groups of
heads that do not divide. Such a model fails inside its own code, at its first forward pass, which is nobody's bug here.
Only what fails without this program's own code in between is told so: a module that holds quantised weights is ours.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import torch
from torch import nn

from core.errors import UserError
from core.models.info import ModelInfo
from core.train.memory import out_of_memory

TOKENS = 8
_OURS = Path(__file__).resolve().parents[1]


@torch.no_grad()
def try_forward(model: nn.Module, info: ModelInfo) -> None:
    """Send a few tokens through a model in evaluation mode, which is the mode it was loaded in.

    Raises:
        UserError: the model's own code fails, said with the part of it; or what it says is no number.
    """
    device = next(model.parameters()).device
    count = min(TOKENS, info.context or TOKENS)
    ids = torch.arange(count, device=device).remainder(max(info.vocabulary, 1))[None]
    try:
        logits = model(input_ids=ids).logits
    except Exception as error:
        frames = list(traceback.walk_tb(error.__traceback__))[1:]
        ours = any(_OURS in Path(frame.f_code.co_filename).parents for frame, _ in frames)
        if ours or out_of_memory(error):
            raise
        modules = [frame.f_locals.get("self") for frame, _ in frames]
        part = _name(model, [module for module in modules if isinstance(module, nn.Module)])
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"The model in {info.path} cannot compute anything: {part} fails ({said}).",
            hint="The sizes in its config.json do not fit together or do not belong to its weights. Get the folder "
            "anew from where it comes from, or take another model.",
            path="model.path",
        ) from error
    if logits.isnan().any():
        raise UserError(
            f"What the model in {info.path} says is not a number.",
            hint="Its weights are damaged, or too large for the precision: get the folder anew, or set model.compute "
            "to float32.",
            path="model.path",
        )


def _name(model: nn.Module, inside: list[nn.Module]) -> str:
    """The innermost module that was being computed, as people find it in the model."""
    names = {id(module): name for name, module in model.named_modules()}
    innermost = inside[-1] if inside else model
    return f"{names.get(id(innermost)) or 'the model'} ({type(innermost).__name__})"
