"""A frozen W and C ⊗ B A in one autograd step: y = x (W + s C ⊗ B A)^T + bias.

Beside the base product, Y = C X (B A)^T would be a row of passes over (tokens, out) tensors, as tall as the product's
own result and made of matrices too small to be quick. The sum of the weights is one pass, and then there is one
product. It is worked out again in the backward pass rather than kept, since it would be a second copy of every weight.

The gradients of C, B and A never meet one of (out, in): G and X are first made thin, as B^T G and A X for every token,
and each is read once more, for the gradient of B and of A. Thin products are worked out lying: a processor's library
takes twice as long for them standing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from core.adapters.fused import Frozen


class _KroneckerLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, b: Tensor, a: Tensor, frozen: Frozen, scale: float) -> Tensor:
        keep_x = x if any(ctx.needs_input_grad[1:4]) else None
        ctx.save_for_backward(keep_x, frozen.weight, c, b, a)
        ctx.again, ctx.scale = frozen.again, scale
        return functional.linear(x, _sum(frozen.dense(), c, b @ a, scale), frozen.bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, c, b, a = ctx.saved_tensors
        grad_x = grad_c = grad_b = grad_a = None
        if ctx.needs_input_grad[0]:
            grad_x = gradient @ _sum(ctx.again(None) if ctx.again else weight, c, b @ a, ctx.scale)
        if x is not None:
            rank = len(a)
            g, h = gradient.reshape(-1, len(b)), x.reshape(-1, a.shape[1])
            thin_g = (b.T @ g.T).mul_(ctx.scale).view(-1, len(c))  # (r * tokens, p)
            thin_h = (a @ h.T).view(-1, c.shape[1])  # (r * tokens, m)
            grad_c = thin_g.T @ thin_h
            grad_b = ((thin_h @ c.T).view(rank, -1) @ g).T.mul_(ctx.scale)
            grad_a = (thin_g @ c).view(rank, -1) @ h
        return grad_x, grad_c, grad_b, grad_a, None, None


def _sum(weight: Tensor, c: Tensor, d: Tensor, scale: float) -> Tensor:
    """weight + scale * C ⊗ D, in one pass."""
    apart = weight.view(len(c), len(d), c.shape[1], d.shape[1])
    return torch.addcmul(apart, c[:, None, :, None], d[None, :, None, :], value=scale).reshape(weight.shape)


def kronecker_linear(x: Tensor, frozen: Frozen, c: Tensor, b: Tensor, a: Tensor, scale: float) -> Tensor:
    """The output of a frozen linear layer whose weight has a Kronecker product added.

    Args:
        x: (..., in).
        frozen: weight and bias, with nothing carried.
        c: (p, m), trained.
        b: (out / p, r), trained or not.
        a: (r, in / m), trained or not.
        scale: the factor on the product.

    Returns:
        (..., out), equal to `linear(x, weight + scale * kron(c, b @ a), bias)`.
    """
    result: Tensor = _KroneckerLinear.apply(x, c, b, a, frozen, scale)  # type: ignore[no-untyped-call]
    return result
