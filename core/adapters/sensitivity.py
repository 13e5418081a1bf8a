"""How much the loss leans on single numbers: AdaLoRA's sensitivity |w dL/dw| and its uncertainty (arXiv:2303.10512).

Both are smoothed over the steps, without correcting for the first ones, and the importance of a number is their
product. AdaLoRA gives its budget out by it, and Insight scores layers by it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Sensitivities:
    """Follows the gradients of tensors by name.

    Args:
        beta1, beta2: memory of the sensitivity, and of its uncertainty.

    Attributes:
        means, spreads: the two, by name, each of its tensor's shape; none before a tensor's first gradient.
    """

    def __init__(self, beta1: float, beta2: float) -> None:
        self.beta1, self.beta2 = beta1, beta2
        self.means: dict[str, Tensor] = {}
        self.spreads: dict[str, Tensor] = {}

    @torch.no_grad()
    def take_in(self, tensors: Mapping[str, Tensor]) -> None:
        """Take in the gradients of a step, before they are dropped; but not of one that is left out, being infinite."""
        gradients = {name: tensor.grad for name, tensor in tensors.items() if tensor.grad is not None}
        if not bool(torch.nn.utils.get_total_norm(gradients.values()).isfinite()):
            return
        for name, gradient in gradients.items():
            now = (tensors[name] * gradient).abs()
            mean = self.means.setdefault(name, torch.zeros_like(now))
            mean.lerp_(now, 1 - self.beta1)
            self.spreads.setdefault(name, torch.zeros_like(now)).lerp_((now - mean).abs(), 1 - self.beta2)

    def importance(self, name: str, tensor: Tensor) -> Tensor:
        """Of every number of a tensor, in its shape; zeros before its first gradient."""
        return self.means[name] * self.spreads[name] if name in self.means else torch.zeros_like(tensor)
