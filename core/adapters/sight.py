"""What a start can see of the training data before the first step: layers' inputs, and gradients at their outputs.

Made by whoever has the data (`core.train.starting`) and handed to the start, so that no member of an axis knows the
trainer. Everything is measured on the base model, adapters switched off, without dropout; through hooks, so that no
weight asks for a gradient and nothing of a weight's size is formed that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.attach import Adapters
from core.evaluating import evaluating

HearInput = Callable[[str, Tensor], None]
"""Takes a layer's name and its inputs at the tokens that count, (tokens, in) float32."""
HearGradient = Callable[[str, Tensor, Tensor], None]
"""Takes a layer's name, the gradients at its outputs (tokens, out) and its inputs (tokens, in), both float32."""


@dataclass(frozen=True)
class Sight:
    """A model through which batches of examples can be sent.

    Attributes:
        adapters: on the model.
        batches: of the run, in its own order.
        loss: the sum of the losses of a batch, on the graph.
        counted: which positions of a batch are learned from, (rows, columns) bool.
        tell: given the share that is done; may raise to end it.
    """

    adapters: Adapters
    batches: Sequence[Any]
    loss: Callable[[Any], Tensor]
    counted: Callable[[Any], Tensor]
    tell: Callable[[float], None] = lambda share: None

    @torch.no_grad()
    def inputs(self, batch: Any, layers: Collection[str], hear: HearInput) -> None:
        """Send a batch forward. Layers that are fed one and the same tensor are given one and the same rows.

        Where a layer sees its tokens in another order (a mixture's experts), all of them count.
        """
        counted = self.counted(batch)
        last: list[Tensor] = []

        def given(name: str, x: Tensor) -> None:
            if not last or last[0] is not x:
                inside = x[counted.to(x.device)] if x.shape[:-1] == counted.shape else x.reshape(-1, x.shape[-1])
                last[:] = [x, inside.float()]
            # What is worked out of them is of full precision, whatever the model computes in.
            with torch.autocast(x.device.type, enabled=False):
                hear(name, last[1])

        with self._still(), self._hooks(layers, lambda name, x, _output: given(name, x)):
            self.loss(batch)

    @torch.enable_grad()
    def gradients(self, batch: Any, layers: Collection[str], hear: HearGradient) -> None:
        """Send a batch forward and back: the gradients are those of the sum of its losses."""

        def answered(name: str, x: Tensor, output: Tensor) -> None:
            if not torch.is_grad_enabled():
                return
            if not output.requires_grad:
                output.requires_grad_(True)
            rows = x.detach().reshape(-1, x.shape[-1])
            output.register_hook(lambda g: hear(name, g.reshape(-1, g.shape[-1]).float(), rows.float()))  # type: ignore[no-untyped-call]

        with self._still(), self._hooks(layers, answered):
            self.loss(batch).backward()  # type: ignore[no-untyped-call]

    @contextmanager
    def _still(self) -> Iterator[None]:
        """The base model in evaluation mode, while the block lasts."""
        with evaluating(self.adapters.model), self.adapters.disabled():
            yield

    @contextmanager
    def _hooks(self, layers: Collection[str], hear: Callable[[str, Tensor, Tensor], None]) -> Iterator[None]:
        """Have layers tell their name, input and output, while the block lasts."""

        def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
            return lambda _layer, args, output: hear(name, args[0], output)

        handles = [self.adapters.layers[name].register_forward_hook(hook(name)) for name in layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
