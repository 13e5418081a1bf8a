"""What all members share that keep codes instead of numbers, and how the cost of it is shown while training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.axis import Storage
from core.callback import Callback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Size, Tensor, dtype
    from torch.nn import Module

    from core.adapters.attach import Adapters
    from core.config.run import RunConfig


class Quantised(Storage):
    """Holds each weight as codes, and works the numbers out whenever they are needed."""

    def encode(self, weight: Tensor) -> dict[str, Tensor]:
        """An (out, in) weight as tensors of codes, the main one under "weight"."""
        raise NotImplementedError

    def decode(self, codes: Mapping[str, Tensor], shape: Size, dtype: dtype) -> Tensor:
        """The (out, in) weight that codes stand for."""
        raise NotImplementedError

    def hold(self, module: Module) -> Module:
        from core.adapters.storage.held import Held

        bias = module._parameters.get("bias")
        return Held(super().weight(module).contiguous(), bias, self)

    def weight(self, module: Module) -> Tensor:
        from core.adapters.storage.held import Held

        return module.dense() if isinstance(module, Held) else super().weight(module)

    def rounded(self, weight: Tensor) -> Tensor:
        import torch

        weight = weight.contiguous()
        return self.decode(self.encode(weight), weight.shape, torch.float32)

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Comparing(adapters)]


class Comparing(Callback):
    """Shows by layer what quantising cost, once, and how large the adapter's change is beside that."""

    def __init__(self, adapters: Adapters) -> None:
        self.layers = list(adapters.layers.values())
        self.told = False

    def vectors(self) -> Mapping[str, list[float]]:
        """`quantisation_error`, ||W - W'|| / ||W||, and `delta_over_error`, ||dW|| / ||W - W'||."""
        from core.adapters.norms import delta_norms

        losses = [float(getattr(layer.base, "loss", 0.0)) for layer in self.layers]
        deltas = delta_norms(self.layers).tolist()
        found = {
            "delta_over_error": [delta / loss if loss else 0.0 for delta, loss in zip(deltas, losses, strict=True)]
        }
        if not self.told:
            self.told = True
            found["quantisation_error"] = [float(getattr(layer.base, "error", 0.0)) for layer in self.layers]
        return found
