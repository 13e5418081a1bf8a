"""A frozen W and its adapter in one autograd step: y = x W^T + bias + s (x A^T) B^T, or y = x (W + s D)^T + bias.

Composed from ordinary operations, the branch costs an extra (tokens, out) tensor forward and an extra (tokens, in)
tensor backward, each written and read again for one addition. Here both products accumulate into the base product's
own result (`addmm_`), and what is kept for the backward pass is x and the (tokens, r) product alone. Where A is frozen
(LoRA-FA) x is not kept either, which is that method's whole point.

A dense change D is added to W before the product: one product instead of two. The sum is worked out again in the
backward pass rather than kept, since it would be a second copy of every weight.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


class _LowRankLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        h = flat @ a.T
        # Made in its final shape: autograd lets nobody change a view of it in place, and some models do (Falcon).
        result = x.new_empty(*x.shape[:-1], weight.shape[0])
        y = result.view(-1, weight.shape[0])
        torch.mm(flat, weight.T, out=y) if bias is None else torch.addmm(bias, flat, weight.T, out=y)
        y.addmm_(h, b.T, alpha=scale)
        keep_x = flat if ctx.needs_input_grad[3] else None
        ctx.save_for_backward(keep_x, weight, a, b, h)
        ctx.scale = scale
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, h = ctx.saved_tensors
        g = gradient.reshape(-1, gradient.shape[-1])
        inner = (g @ b) * ctx.scale
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (g @ weight).addmm_(inner, a).view(*gradient.shape[:-1], a.shape[1])
        grad_a = inner.T @ x if ctx.needs_input_grad[3] else None
        grad_b = (g.T @ h).mul_(ctx.scale) if ctx.needs_input_grad[4] else None
        return grad_x, None, None, grad_a, grad_b, None


def low_rank_linear(x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """The output of a frozen linear layer and its low-rank branch.

    Args:
        x: (..., in).
        weight: frozen, (out, in); a transposed view will do.
        bias: frozen, (out,), or None.
        a: (r, in), trained or frozen.
        b: (out, r), trained or frozen.
        scale: the factor on the branch.

    Returns:
        (..., out), equal to `linear(x, weight, bias) + scale * linear(linear(x, a), b)` up to rounding.
    """
    result: Tensor = _LowRankLinear.apply(x, weight, bias, a, b, scale)  # type: ignore[no-untyped-call]
    return result


class _DenseLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, change: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[3] else None, weight, change)
        ctx.scale = scale
        return functional.linear(x, torch.add(weight, change, alpha=scale), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, change = ctx.saved_tensors
        grad_x = gradient @ torch.add(weight, change, alpha=ctx.scale) if ctx.needs_input_grad[0] else None
        grad_change = None
        if ctx.needs_input_grad[3]:
            flat = gradient.reshape(-1, gradient.shape[-1])
            grad_change = (flat.T @ x.reshape(-1, x.shape[-1])).mul_(ctx.scale)
        return grad_x, None, None, grad_change, None


def dense_linear(x: Tensor, weight: Tensor, bias: Tensor | None, change: Tensor, scale: float) -> Tensor:
    """The output of a frozen linear layer whose weight has a dense change.

    Args:
        x: (..., in).
        weight: frozen, (out, in); a transposed view will do.
        bias: frozen, (out,), or None.
        change: (out, in), trained or made of what is trained.
        scale: the factor on the change.

    Returns:
        (..., out), equal to `linear(x, weight + scale * change, bias)`.
    """
    result: Tensor = _DenseLinear.apply(x, weight, bias, change, scale)  # type: ignore[no-untyped-call]
    return result
