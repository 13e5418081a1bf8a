"""A frozen linear layer whose weight is kept in codes: the base module of an adapter over a quantised model.

The weight exists as numbers only while a product is worked out, in the forward pass and again in the backward pass.
Left to itself, autograd would keep it from one to the other, and with it the memory that the codes save.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from core.adapters.fused import Frozen, frozen_linear

if TYPE_CHECKING:
    from core.adapters.storage.quantised import Quantised


class Held(nn.Module):
    """A linear layer y = x W^T + bias with W in codes.

    Args:
        weight: (out, in), in any floating type; it is not kept.
        bias: (out,), or None.
        storage: the member that knows the codes.

    Attributes:
        shape: of the weight, (out, in).
        loss: ||W - W'||_F with W' the weight that the codes stand for.
        error: the same in units of ||W||_F.
    """

    def __init__(self, weight: Tensor, bias: nn.Parameter | None, storage: Quantised) -> None:
        super().__init__()
        self.shape = weight.shape
        self.storage = storage
        codes = storage.encode(weight)
        self.names = tuple(codes)
        # Under its usual name, since model code asks a linear layer for its weight's device.
        self.weight = nn.Parameter(codes.pop("weight"), requires_grad=False)
        for name, tensor in codes.items():
            self.register_buffer(name, tensor)
        self.bias = bias
        self.loss, self.error = _loss(weight, self.dense())

    def codes(self) -> tuple[Tensor, ...]:
        """All that is kept of the weight, in the order of `names`."""
        return tuple(getattr(self, name) for name in self.names)

    def dense(self, dtype: torch.dtype = torch.float32, gain: Tensor | None = None) -> Tensor:
        """The (out, in) weight that the layer computes with, its rows times a gain (out,) where there is one."""
        return self.storage.decode(dict(zip(self.names, self.codes(), strict=True)), self.shape, dtype, gain)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) to (..., out), in the type of x, or in autocast's."""
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return frozen_linear(x, Frozen(None, self.bias, partial(self.dense, x.dtype)))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Held:
        """Moved with the model from device to device; but codes and what belongs to them keep their precision."""
        before = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in before.items():
            moved = self._buffers[name]
            if buffer is not None and moved is not None and moved.dtype != buffer.dtype:
                self._buffers[name] = buffer.to(moved.device)
        return self

    def extra_repr(self) -> str:
        """Shown by `print(model)`."""
        return f"{self.storage.kind}, out_features={self.shape[0]}, in_features={self.shape[1]}"


def _loss(weight: Tensor, kept: Tensor) -> tuple[float, float]:
    """||W - W'||_F, and the same in units of ||W||_F (0 for a weight of zeros)."""
    loss = torch.linalg.vector_norm(kept.sub_(weight.detach()))
    length = torch.linalg.vector_norm(weight.detach(), dtype=torch.float32)
    lost, norm = torch.stack((loss, length)).tolist()
    return lost, lost / norm if norm else 0.0
