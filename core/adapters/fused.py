"""A frozen W and its adapter in one autograd step: y = x W^T + bias + s (x A^T) B^T, or y = x (W + s D)^T + bias.

Composed from ordinary operations, the branch costs an extra (tokens, out) tensor forward and an extra (tokens, in)
tensor backward, each written and read again for one addition. Here both products accumulate into the base product's
own result (`addmm_`), and what is kept for the backward pass is x and the (r, tokens) product alone. Where A is frozen
(LoRA-FA) x is not kept either, which is that method's whole point. Products that the base itself has taken up
(Delta-LoRA, PiSSA) are further columns of A and B, which no gradient is worked out for. Thin products are worked out
lying, as (r, tokens): with eight columns standing, a processor's library takes three times as long for them.

A gain on the rows of the whole (DoRA) is one more pass over the output; the gain's gradient follows from the output as
it was given, so nothing more is kept. In the backward pass the gain goes on the weight and on B rather than on the
gradient, which usually has more numbers; on a weight in codes it goes for nothing. The lengths that it needs follow
from what the layer makes of the rows of A, so once a step those ride along with the tokens: thin products of their own
cost more to start than to do.

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

LEAST = 1e-20
"""Added to a length, which changes nothing but one of 0: from an output of 0 its gradient would not follow any more."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a layer computes with and does not train.

    Attributes:
        weight: (out, in); a transposed view will do. None where it is held in codes.
        bias: (out,), or None.
        again: works the weight out of its codes, its rows times a gain where there is one.
        carried: `(B, A)` of shapes (out, k) and (k, in): a change of the weight of scale * B A, with the adapter's
            scale; None where there is none.
    """

    weight: Tensor | None
    bias: Tensor | None = None
    again: Callable[[Tensor | None], Tensor] | None = None
    carried: tuple[Tensor, Tensor] | None = None

    def dense(self) -> Tensor:
        """The weight, (out, in)."""
        if self.weight is not None:
            return self.weight
        assert self.again is not None
        return self.again(None)


class Given:
    """Whether a model leaves a layer's output as it was given: then the backward pass may use the very same numbers.

    Some add to it in place (Falcon). torch counts such changes, so what became of one output is known when the next is
    made; the first is kept apart. A run that measures its held-out loss before it trains has made many by then.
    One that was changed tells for good: gradient checkpointing breaks off before it comes to the change again.
    """

    def __init__(self) -> None:
        self.untouched = False
        self._changed = False
        self._still: Callable[[], bool] | None = None

    def look_back(self) -> None:
        """See what became of the output before."""
        if self._still is not None:
            self._changed |= not self._still()
            self.untouched = not self._changed

    def watch(self, output: Tensor) -> Callable[[], bool]:
        """Asked later, what is returned says whether this output is still as it was."""
        count = output.detach()
        count.data = output.new_empty(0)  # shares what counts the changes, and not the memory
        before = count._version
        self._still = lambda: count._version == before
        return self._still


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows whose lengths are trained apart from their directions: those of V = W + s B A, with what W carries.

    Attributes:
        magnitude: (out,), trained: the lengths that they are given.
        given: what is known of the layer's outputs.
        lengths: (out,), those that they have, taken as constants; None where they are to be worked out on the way.
        measure: works them out from (W + V) A^T, lying as (k, out), and B, (out, k). It may write over the first. None
            where they are never worked out on the way.
    """

    magnitude: Tensor
    given: Given
    lengths: Tensor | None
    measure: Callable[[Tensor, Tensor], Tensor] | None = None


class _LowRankLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, a: Tensor, b: Tensor, m: Tensor | None, frozen: Frozen, scale: float, rows: Rows | None
    ) -> Tensor:
        rank = len(a)
        if frozen.carried is not None:
            a, b = torch.cat((a, frozen.carried[1])), torch.cat((b, frozen.carried[0]), 1)
        flat = x.reshape(-1, x.shape[-1])
        _, needs_a, needs_b, needs_m = ctx.needs_input_grad[:4]
        if rows is None:
            h, z, gain = a @ flat.T, None, None
            y = functional.linear(flat, frozen.dense(), frozen.bias).addmm_(h.T, b.T, alpha=scale)
        else:
            rows.given.look_back()
            h, z, m, gain = _stretched(flat, a, b, frozen, scale, rows)
            y = z if frozen.bias is None else z + frozen.bias
            if y is z and needs_m and not rows.given.untouched:
                y = z.clone()
            ctx.shared = y is z
        # Not as a view, since autograd lets nobody change one of ours in place, and some models do.
        result = y.view(*x.shape[:-1], len(b)).data
        if rows is not None and not result.is_inference():
            ctx.still = rows.given.watch(result)
        keep_h = (h if frozen.carried is None else h[:rank].contiguous()) if needs_b else None
        kept = (z, m) if needs_m else (None, None)
        ctx.save_for_backward(flat if needs_a else None, frozen.weight, a, b, keep_h, gain, *kept)
        ctx.again, ctx.scale, ctx.rank = frozen.again, scale, rank
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, h, gain, z, m = ctx.saved_tensors
        g = gradient.reshape(-1, gradient.shape[-1])
        needs_x, needs_a, needs_b, needs_m = ctx.needs_input_grad[:4]
        grad_x = grad_a = grad_b = grad_m = None
        if needs_m:
            if ctx.shared and not ctx.still():
                raise RuntimeError("A layer's output was changed in place in this step, and not in those before it.")
            # Summed by a product: that is faster than a sum over the longer side.
            grad_m = (g.new_ones(1, len(g)) @ (g * z))[0] / m
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


def _stretched(
    x: Tensor, a: Tensor, b: Tensor, frozen: Frozen, scale: float, rows: Rows
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A x^T (k, tokens), gain * x V^T (tokens, out), the rows' new lengths and the gain, (out,), for x (tokens, in)."""
    m = rows.magnitude + LEAST
    if rows.lengths is not None:
        h, gain = a @ x.T, m / rows.lengths
        if rows.measure is None and frozen.again:
            return h, (x @ frozen.again(gain).T).addmm_(h.T, (b * gain[:, None]).T, alpha=scale), m, gain
        return h, (x @ frozen.dense().T).addmm_(h.T, b.T, alpha=scale).mul_(gain), m, gain
    assert rows.measure is not None
    tokens, riding = len(x), torch.cat((x, a))
    h = a @ riding.T
    z = riding @ frozen.dense().T
    beneath = z[tokens:].clone()
    z.addmm_(h.T, b.T, alpha=scale)
    gain = m / rows.measure(beneath.add_(z[tokens:]), b)
    return h[:, :tokens], z[:tokens].mul_(gain), m, gain


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
        ctx.save_for_backward(keep_x, frozen.weight, change)
        ctx.again, ctx.scale = frozen.again, scale
        return functional.linear(x, torch.add(frozen.dense(), change, alpha=scale), frozen.bias)

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
    def forward(ctx: Any, x: Tensor, again: Callable[[None], Tensor]) -> Tensor:
        ctx.again = again
        return functional.linear(x, again(None))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (gradient @ ctx.again(None) if ctx.needs_input_grad[0] else None), None


def frozen_linear(x: Tensor, frozen: Frozen) -> Tensor:
    """The output of a frozen linear layer alone, (..., out); what it carries is left out."""
    if frozen.again is None:
        return functional.linear(x, frozen.dense(), frozen.bias)
    y: Tensor = _FrozenLinear.apply(x, frozen.again)  # type: ignore[no-untyped-call]
    return y if frozen.bias is None else y + frozen.bias.to(y.dtype)
