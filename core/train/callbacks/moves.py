"""How far one step moves what each layer trains, beside how large that is.

Measured on a sample of each tensor: a copy of everything would double the memory of full fine-tuning, and a few
thousand numbers tell a length to some hundredths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.adapters.adapted import Adapted

SAMPLE = 4096
"""Numbers of a tensor that are looked at, about."""


class Moves:
    """What layers train, as it was before a step."""

    @torch.no_grad()
    def __init__(self, layers: Sequence[Adapted]) -> None:
        self.layers = [_trained(layer) for layer in layers]
        self.tensors = {id(tensor): tensor for tensors in self.layers for tensor in tensors}
        self.before = torch._foreach_mul([sampled(tensor) for tensor in self.tensors.values()], 1.0)

    @torch.no_grad()
    def sizes(self) -> NDArray[np.float32]:
        """Length of the step over that of the numbers after it, by layer; NaN of a layer that trains nothing.

        So what starts from zero begins at 1.
        """
        after = [sampled(tensor) for tensor in self.tensors.values()]
        lengths = [*torch._foreach_norm(torch._foreach_sub(after, self.before)), *torch._foreach_norm(after)]
        squares = torch.stack(lengths).float().square().view(2, -1).cpu()
        whole = torch.tensor(
            [tensor.numel() / len(one) for tensor, one in zip(self.tensors.values(), after, strict=True)]
        )
        of = dict(zip(self.tensors, (squares * whole).T.tolist(), strict=True))
        found = []
        for tensors in self.layers:
            step, length = (sum(of[id(tensor)][place] for tensor in tensors) for place in range(2))
            found.append(math.sqrt(step / length) if length else math.nan)
        return np.array(found, dtype=np.float32)


def sampled(tensor: Tensor) -> Tensor:
    """Some of a tensor's numbers, evenly spread over its rows and its columns, in their own memory."""
    stride = -(-tensor.numel() // SAMPLE)
    while math.gcd(stride, tensor.shape[-1]) > 1:
        stride += 1
    return tensor.detach().reshape(-1)[::stride]


def _trained(layer: Adapted) -> list[Tensor]:
    return [tensor for tensor in layer.own.values() if tensor.requires_grad]
