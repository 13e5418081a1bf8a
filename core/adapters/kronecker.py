"""A frozen W and C ⊗ D in one autograd step: y = x (W + s C ⊗ D)^T + bias.

Beside the base product, Y = C X D^T would be a row of passes over (tokens, out) tensors, as tall as the product's own
result and made of matrices too small to be quick. The sum of the weights is one pass, and then there is one product. It
is worked out again in the backward pass rather than kept, since it would be a second copy of every weight.

The gradients of C and D never meet one of (out, in): with the tokens of G and X laid out along the rows of C, they are
four products with sides as small as those of C and D. What lies between them is made from G or from X, whichever takes
fewer numbers.
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
    def forward(ctx: Any, x: Tensor, c: Tensor, d: Tensor, frozen: Frozen, scale: float) -> Tensor:
        keep_x = x if ctx.needs_input_grad[1] or ctx.needs_input_grad[2] else None
        ctx.save_for_backward(keep_x, None if frozen.again else frozen.weight, c, d)
        ctx.again, ctx.scale = frozen.again, scale
        return functional.linear(x, _sum(frozen.weight, c, d, scale), frozen.bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, c, d = ctx.saved_tensors
        grad_x = grad_c = grad_d = None
        if ctx.needs_input_grad[0]:
            grad_x = gradient @ _sum(ctx.again() if ctx.again else weight, c, d, ctx.scale)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            g, h = gradient.reshape(-1, gradient.shape[-1]), x.reshape(-1, x.shape[-1])
            grad_c, grad_d = _gradients(g, h, c, d)
            grad_c, grad_d = grad_c.mul_(ctx.scale), grad_d.mul_(ctx.scale)
        return grad_x, grad_c, grad_d, None, None


def _gradients(g: Tensor, x: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of C and D without the scale, from those of the output (tokens, out) and the input (tokens, in)."""
    (p, m), (q, n) = c.shape, d.shape
    if m * q > p * n:
        turned = _gradients(x, g, c.T, d.T)
        return turned[0].T, turned[1].T
    g = g.reshape(-1, p, q).transpose(0, 1).reshape(p, -1)  # (p, tokens * q)
    x = x.reshape(-1, m, n).transpose(0, 1).reshape(-1, n)  # (m * tokens, n)
    return g @ (x @ d.T).view(m, -1).T, (c.T @ g).view(-1, q).T @ x


def _sum(weight: Tensor, c: Tensor, d: Tensor, scale: float) -> Tensor:
    """weight + scale * C ⊗ D, in one pass."""
    apart = weight.view(len(c), len(d), c.shape[1], d.shape[1])
    return torch.addcmul(apart, c[:, None, :, None], d[None, :, None, :], value=scale).reshape(weight.shape)


def kronecker_linear(x: Tensor, frozen: Frozen, c: Tensor, d: Tensor, scale: float) -> Tensor:
    """The output of a frozen linear layer whose weight has a Kronecker product added.

    Args:
        x: (..., in).
        frozen: weight and bias, with nothing carried.
        c: (p, m), trained.
        d: (out / p, in / m), trained or made of what is trained.
        scale: the factor on the product.

    Returns:
        (..., out), equal to `linear(x, weight + scale * kron(c, d), bias)`.
    """
    result: Tensor = _KroneckerLinear.apply(x, c, d, frozen, scale)  # type: ignore[no-untyped-call]
    return result
