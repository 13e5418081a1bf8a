"""A frozen W and its adapter in one autograd step: y = x W^T + bias + s (x A^T) B^T, or y = x (W + s D)^T + bias.

Composed from ordinary operations, the branch costs an extra (tokens, out) tensor forward and an extra (tokens, in)
tensor backward, each written and read again for one addition. Here both products accumulate into the base product's
own result (`addmm_`), and what is kept for the backward pass is x and the (r, tokens) product alone. Where A is frozen
(LoRA-FA) x is not kept either, which is that method's whole point. Products that the base itself has taken up
(Delta-LoRA, PiSSA) are further columns of A and B, which no gradient is worked out for. Thin products are worked out
lying, as (r, tokens): with eight columns standing, a processor's library takes three times as long for them.

A gain on the rows of the whole (DoRA) is one more pass over the output, which has to be kept for the gain's gradient.
In the backward pass it goes on the weight and on B rather than on the gradient, which usually has more numbers; on a
weight in codes it goes for nothing. The lengths that it needs follow from what the layer makes of the rows of A, so
once a step those ride along with the tokens: thin products of their own cost more to start than to do.

A dense change D is added to W before the product: one product instead of two. The sum is worked out again in the
backward pass rather than kept, since it would be a second copy of every weight.

A weight that is held in codes is there while a product is worked out, and is worked out again for the backward pass:
kept from one to the other, it would take the memory that the codes save.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a layer computes with and does not train.

    Attributes:
        weight: (out, in); a transposed view will do.
        bias: (out,), or None.
        again: gives the weight anew for the backward pass, its rows times a gain where there is one; None where it may
            simply be kept.
        carried: `(B, A)` of shapes (out, k) and (k, in): a change of the weight of scale * B A, with the adapter's
            scale; None where there is none.
    """

    weight: Tensor
    bias: Tensor | None = None
    again: Callable[[Tensor | None], Tensor] | None = None
    carried: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows whose lengths are trained apart from their directions: those of V = W + s B A, with what W carries.

    Attributes:
        magnitude: (out,), trained: the lengths that they are given.
        lengths: (out,), those that they have, taken as constants; None where they are to be worked out on the way.
        measure: works them out from (W + V) A^T, lying as (k, out), and B, (out, k). It may write over the first.
    """

    magnitude: Tensor
    lengths: Tensor | None
    measure: Callable[[Tensor, Tensor], Tensor]


class _LowRankLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, a: Tensor, b: Tensor, m: Tensor | None, frozen: Frozen, scale: float, rows: Rows | None
    ) -> Tensor:
        rank, weight = len(a), frozen.weight
        if frozen.carried is not None:
            a, b = torch.cat((a, frozen.carried[1])), torch.cat((b, frozen.carried[0]), 1)
        flat = x.reshape(-1, x.shape[-1])
        # Made in its final shape: autograd lets nobody change a view of it in place, and some models do (Falcon).
        result = x.new_empty(*x.shape[:-1], weight.shape[0])
        y = result.view(-1, weight.shape[0])
        if rows is None:
            h, z, gain = a @ flat.T, y, None
            torch.mm(flat, weight.T, out=z) if frozen.bias is None else torch.addmm(frozen.bias, flat, weight.T, out=z)
            z.addmm_(h.T, b.T, alpha=scale)
        else:
            h, z, lengths = _with_lengths(flat, a, b, weight, scale, rows)
            ctx.lengths, gain = lengths, rows.magnitude / lengths
            torch.mul(z, gain, out=y) if frozen.bias is None else torch.addcmul(frozen.bias, z, gain, out=y)
        _, needs_a, needs_b, needs_m = ctx.needs_input_grad[:4]
        keep_h = (h if frozen.carried is None else h[:rank].contiguous()) if needs_b else None
        ctx.save_for_backward(
            flat if needs_a else None, None if frozen.again else weight, a, b, keep_h, gain, z if needs_m else None
        )
        ctx.again, ctx.scale, ctx.rank = frozen.again, scale, rank
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, h, gain, z = ctx.saved_tensors
        g = gradient.reshape(-1, gradient.shape[-1])
        needs_x, needs_a, needs_b, needs_m = ctx.needs_input_grad[:4]
        grad_x = grad_a = grad_b = None
        # Summed by a product: that is faster than a sum over the longer side.
        grad_m = (g.new_ones(1, len(g)) @ (g * z))[0] / ctx.lengths if needs_m else None
        factor = ctx.scale if gain is None else (ctx.scale * gain)[:, None]
        if needs_x or needs_a:
            inner = (b * factor).T @ g.T
        if needs_x:
            if ctx.again:
                product = g @ ctx.again(gain)
            else:
                product = g @ weight if gain is None else _scaled_product(g, gain, weight)
            grad_x = product.addmm_(inner.T, a).view(*gradient.shape[:-1], a.shape[1])
        if needs_a:
            grad_a = inner[: ctx.rank] @ x
        if needs_b:
            grad_b = (h @ g).T * factor
        return grad_x, grad_a, grad_b, grad_m, None, None, None


def _with_lengths(
    x: Tensor, a: Tensor, b: Tensor, weight: Tensor, scale: float, rows: Rows
) -> tuple[Tensor, Tensor, Tensor]:
    """A x^T (k, tokens), x V^T (tokens, out) and the lengths of V's rows, (out,), for x (tokens, in)."""
    if rows.lengths is not None:
        h = a @ x.T
        return h, (x @ weight.T).addmm_(h.T, b.T, alpha=scale), rows.lengths
    tokens, riding = len(x), torch.cat((x, a))
    h = a @ riding.T
    z = riding @ weight.T
    beneath = z[tokens:].clone()
    z.addmm_(h.T, b.T, alpha=scale)
    return h[:, :tokens], z[:tokens], rows.measure(beneath.add_(z[tokens:]), b)


def _scaled_product(gradient: Tensor, gain: Tensor, weight: Tensor) -> Tensor:
    """(gradient * gain) @ weight, (tokens, in), with the gain on whichever has fewer numbers."""
    if len(gradient) < weight.shape[1]:
        return (gradient * gain) @ weight
    return gradient @ (weight * gain[:, None])


def low_rank_linear(
    x: Tensor, frozen: Frozen, a: Tensor, b: Tensor, scale: float, *, rows: Rows | None = None
) -> Tensor:
    """The output of a frozen linear layer and its low-rank branch.

    Args:
        x: (..., in).
        frozen: weight and bias.
        a: (r, in), trained or frozen.
        b: (out, r), trained or frozen.
        scale: the factor on the branch.
        rows: what each row of weight and branch together is stretched to, the bias not; None where nothing is.

    Returns:
        (..., out), equal to `gain * (linear(x, weight) + scale * linear(linear(x, a), b)) + bias` up to rounding, with
        a gain of magnitude / lengths.
    """
    m = None if rows is None else rows.magnitude
    result: Tensor = _LowRankLinear.apply(x, a, b, m, frozen, scale, rows)  # type: ignore[no-untyped-call]
    return result


class _DenseLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Tensor, frozen: Frozen, scale: float) -> Tensor:
        keep_x = x if ctx.needs_input_grad[1] else None
        ctx.save_for_backward(keep_x, None if frozen.again else frozen.weight, change)
        ctx.again, ctx.scale = frozen.again, scale
        return functional.linear(x, torch.add(frozen.weight, change, alpha=scale), frozen.bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, change = ctx.saved_tensors
        grad_x = grad_change = whole = None
        if ctx.needs_input_grad[0]:
            weight = ctx.again(None) if ctx.again else weight
            whole = torch.add(weight, change, alpha=ctx.scale)
            grad_x = gradient @ whole
        if ctx.needs_input_grad[1]:
            flat = gradient.reshape(-1, gradient.shape[-1])
            # Where the sum was, which has just been read and is of no more use: other memory would have to be fetched.
            grad_change = torch.mm(flat.T, x.reshape(-1, x.shape[-1]), out=whole)
            if ctx.scale != 1:
                grad_change.mul_(ctx.scale)
        return grad_x, grad_change, None, None


def dense_linear(x: Tensor, frozen: Frozen, change: Tensor, scale: float) -> Tensor:
    """The output of a frozen linear layer whose weight has a dense change.

    Args:
        x: (..., in).
        frozen: weight and bias, with nothing carried.
        change: (out, in), trained or made of what is trained.
        scale: the factor on the change.

    Returns:
        (..., out), equal to `linear(x, weight + scale * change, bias)`.
    """
    result: Tensor = _DenseLinear.apply(x, change, frozen, scale)  # type: ignore[no-untyped-call]
    return result


class _FrozenLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, again: Callable[[None], Tensor]) -> Tensor:
        ctx.again = again
        return functional.linear(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (gradient @ ctx.again(None) if ctx.needs_input_grad[0] else None), None, None


def frozen_linear(x: Tensor, frozen: Frozen) -> Tensor:
    """The output of a frozen linear layer alone, (..., out); what it carries is left out."""
    if frozen.again is None:
        return functional.linear(x, frozen.weight, frozen.bias)
    y: Tensor = _FrozenLinear.apply(x, frozen.weight, frozen.again)  # type: ignore[no-untyped-call]
    return y if frozen.bias is None else y + frozen.bias.to(y.dtype)
