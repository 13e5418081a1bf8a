"""The loss of the trained tokens, without ever holding the (tokens x vocabulary) matrix.

Half of a small model's time and most of its memory can go into logits that nobody looks at: those of prompts and
padding. So the head is applied to the positions that are trained alone, a few hundred at a time, and each chunk's
gradient is worked out at once from the logits that are there anyway; only a (tokens, hidden) gradient is kept.

That is right where the model's logits are `head(last hidden state)` and nothing else. Whether they are is asked of the
model itself, once (`_is_plain`), not of a list of families: Gemma 2 caps its logits, Cohere and Granite scale them.
Those go through their own forward, asked for the logits of the trained positions where it can do that.

Where the data weighs its messages, a token's cross-entropy c is multiplied by its weight w, and a step's loss is
sum(w c) / sum(w) over all trained tokens of all its micro-batches: the trainer divides by `Batch.counted` of all of
them, so that how a step is cut into micro-batches makes no difference, and twice every weight is the same training.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from core.evaluating import evaluating

if TYPE_CHECKING:
    from core.data.batches import Batch

CPU_CHUNK = 2**24
"""Logits worked on at once on a processor (64 MiB in float32): past its caches anyway, and small beside the model."""
GPU_CHUNK = 2**26
"""The same on a GPU (256 MiB): large products keep it busy."""


class TokenLoss:
    """Sum of the cross-entropies of a batch's trained tokens, each by its weight, in nats.

    Equal to the model's own up to rounding.

    Args:
        model: with its adapters on, on its device.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.head = _head(model)
        self.keeps_logits = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.plain = self.head is not None and _is_plain(model, self.head)

    def __call__(self, batch: Batch) -> Tensor:
        """The sum over `batch.trained` tokens, a float32 scalar."""
        targets, keep = aligned(batch.labels.to(self.device, non_blocking=True))
        weights = _shifted(batch.weights, keep)
        inputs = _inputs(batch, self.device)
        if self.plain and self.head is not None:
            hidden = _body(self.model)(**inputs).last_hidden_state
            return chunked_loss(hidden, keep, targets, self.head.weight, self.head.bias, weights)
        return _summed(self._logits(inputs, keep, len(targets)), targets, weights)

    def log_probabilities(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The log-probability of every trained token as it is, for objectives of their own.

        Logits are made a chunk at a time, and again in the backward pass, so that the whole matrix is never there.

        Returns:
            (n,) in nats, float32, and the mask (rows, columns) of the n positions that they are predicted at.
        """
        targets, keep = aligned(batch.labels.to(self.device, non_blocking=True))
        inputs = _inputs(batch, self.device)
        if self.plain and self.head is not None:
            hidden = _body(self.model)(**inputs).last_hidden_state[keep]
            weight, bias = self.head.weight, self.head.bias
            found = [
                checkpoint(_log_probabilities, hidden[a:b], weight, bias, targets[a:b], use_reentrant=False)
                for a, b in _chunks(len(targets), len(weight), self.device)
            ]
            return torch.cat(found) if found else hidden.new_zeros(0), keep
        return -functional.cross_entropy(self._logits(inputs, keep, len(targets)), targets, reduction="none"), keep

    def _logits(self, inputs: dict[str, Any], keep: Tensor, count: int) -> Tensor:
        """The model's own logits at the `count` positions of `keep`, (count, vocabulary) float32."""
        if self.keeps_logits:
            logits: Tensor = self.model(**inputs, logits_to_keep=keep).logits
        else:
            logits = self.model(**inputs).logits[keep]
        return logits.float().view(count, -1)

    def figures(self, *, whole: bool) -> dict[str, float]:
        """Nothing beside the loss."""
        return {}


def _log_probabilities(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    logits = functional.linear(hidden.to(weight.dtype), weight, bias).float()
    return -functional.cross_entropy(logits, targets, reduction="none")


def aligned(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The targets (n,) and the mask (rows, columns) of the positions whose next token is trained.

    Args:
        labels: (rows, columns), -100 where nothing is trained; position t is what is to be said at t, so it is the
            target of position t - 1.
    """
    shifted = functional.pad(labels[:, 1:], (0, 1), value=-100)
    keep = shifted != -100
    return shifted[keep], keep


def _shifted(weights: Tensor | None, keep: Tensor) -> Tensor | None:
    """How much each target counts, (n,), where positions have weights, (rows, columns)."""
    return None if weights is None else functional.pad(weights.to(keep.device)[:, 1:], (0, 1))[keep]


def _summed(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Sum of the cross-entropies, by weight where there are weights."""
    if weights is None:
        return functional.cross_entropy(logits, targets, reduction="sum")
    return torch.dot(functional.cross_entropy(logits, targets, reduction="none"), weights)


def chunked_loss(
    hidden: Tensor, keep: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None, weights: Tensor | None = None
) -> Tensor:
    """Sum of the cross-entropies of `head(hidden[keep])` against `targets`.

    Args:
        hidden: (rows, columns, width).
        keep: (rows, columns) bool with n true.
        targets: (n,) token ids.
        weight: of the head, (vocabulary, width).
        bias: of the head, (vocabulary,), or None.
        weights: how much each target counts, (n,), or None where each counts 1.
    """
    total: Tensor = _ChunkedLoss.apply(hidden, keep, targets, weight, bias, weights)  # type: ignore[no-untyped-call]
    return total


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        keep: Tensor,
        targets: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        weights: Tensor | None,
    ) -> Tensor:
        places = keep.flatten().nonzero().squeeze(1)
        flat = hidden.reshape(-1, hidden.shape[-1])
        needs_hidden, needs_weight, needs_bias = (ctx.needs_input_grad[place] for place in (0, 3, 4))
        grad_hidden = torch.zeros_like(flat) if needs_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if needs_weight else None
        grad_bias = torch.zeros(len(weight), device=weight.device) if needs_bias else None
        total = torch.zeros((), device=hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            for start, end in _chunks(len(places), len(weight), hidden.device):
                x = flat[places[start:end]].to(weight.dtype)
                logits = functional.linear(x, weight, bias).float()
                counts = None if weights is None else weights[start:end]
                total += _summed(logits, targets[start:end], counts)
                if not (needs_hidden or needs_weight or needs_bias):
                    continue
                error = _error(logits, targets[start:end], counts)
                if grad_bias is not None:
                    grad_bias += error.sum(0)
                error = error.to(weight.dtype)
                if grad_hidden is not None:
                    grad_hidden[places[start:end]] = (error @ weight).to(hidden.dtype)
                if grad_weight is not None:
                    grad_weight += error.T @ x
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        ctx.shape, ctx.dtype = hidden.shape, weight.dtype
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias = ctx.saved_tensors
        return (
            None if hidden is None else (hidden * gradient.to(hidden.dtype)).view(ctx.shape),
            None,
            None,
            None if weight is None else (weight * gradient).to(ctx.dtype),
            None if bias is None else (bias * gradient).to(ctx.dtype),
            None,
        )


def _error(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """The gradient of the summed cross-entropy for the logits, (n, vocabulary): probabilities minus one at the target,
    by weight.

    Overwrites `logits`, which nobody needs any more.
    """
    logits -= logits.amax(dim=1, keepdim=True)
    logits.exp_()
    logits /= logits.sum(dim=1, keepdim=True)
    logits[torch.arange(len(targets), device=targets.device), targets] -= 1
    return logits if weights is None else logits.mul_(weights[:, None])


def _chunks(count: int, vocabulary: int, device: torch.device) -> Iterator[tuple[int, int]]:
    room = CPU_CHUNK if device.type == "cpu" else GPU_CHUNK
    size = max(16, room // vocabulary)
    for start in range(0, count, size):
        yield start, min(count, start + size)


def _inputs(batch: Batch, device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {"input_ids": batch.input_ids.to(device, non_blocking=True), "use_cache": False}
    if batch.attention_mask is not None:
        found["attention_mask"] = batch.attention_mask.to(device, non_blocking=True)
    if batch.position_ids is not None:
        found["position_ids"] = batch.position_ids.to(device, non_blocking=True)
    return found


def _body(model: nn.Module) -> Callable[..., Any]:
    """The model below its head, as transformers knows it."""
    body: Callable[..., Any] = getattr(model, "base_model", model)
    return body


def _head(model: nn.Module) -> nn.Linear | None:
    """The output head where it is an ordinary linear layer."""
    found = getattr(model, "get_output_embeddings", lambda: None)()
    return found if type(found) is nn.Linear else None


@torch.no_grad()
def _is_plain(model: nn.Module, head: nn.Linear) -> bool:
    """Whether the model's logits are `head(body(ids).last_hidden_state)` and nothing else.

    The head's output is replaced by large marks for one forward pass over a few tokens: they must come out of the
    model as they are, which no cap or factor leaves alone, and what the head was given must be the body's last state.
    """
    device = head.weight.device
    ids = torch.arange(8, device=device).remainder(head.out_features)[None]
    marks = torch.linspace(-100, 100, ids.numel() * head.out_features, device=device).to(head.weight.dtype)
    given: list[Tensor] = []

    def replace(_module: nn.Module, args: tuple[Tensor, ...], _output: Tensor) -> Tensor:
        given.append(args[0])
        return marks.view(*ids.shape, head.out_features)

    with evaluating(model):
        handle = head.register_forward_hook(replace)
        try:
            logits = model(input_ids=ids, use_cache=False).logits
        finally:
            handle.remove()
        hidden = getattr(_body(model)(input_ids=ids, use_cache=False), "last_hidden_state", None)
    if hidden is None or len(given) != 1 or given[0].shape != hidden.shape or logits.numel() != marks.numel():
        return False
    return bool(torch.equal(logits.flatten().float(), marks.float())) and torch.allclose(
        given[0].float(), hidden.float(), rtol=1e-2, atol=1e-3
    )
