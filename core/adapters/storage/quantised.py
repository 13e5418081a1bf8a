"""What all members share that keep codes instead of numbers, and how the cost of it is shown while training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.axis import Storage
from core.callback import Callback
from core.figures.figure import Axis
from core.figures.live.against import Against
from core.figures.live.layer_bars import LayerBars
from core.figures.live.layer_map import LayerMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Size, Tensor, dtype
    from torch.nn import Module

    from core.adapters.attach import Adapters
    from core.config.run import RunConfig


class Quantised(Storage):
    """Holds each weight as codes, and works the numbers out whenever they are needed."""

    shows = (
        Against(
            key="quantised-against",
            title="Change against quantisation error",
            help="Each layer's trained change over the error that holding its weight in fewer bits has made. Below the "
            "line the change is smaller than that error: merging it into fewer bits again would lose it.",
            paper="2305.14314",
            across="quantisation_loss",
            up="delta_norm",
            x=Axis("Norm of the error W - W'"),
            y=Axis("Norm of dW"),
            fit=False,
        ),
        LayerMap(
            key="quantised-ratio",
            title="Change over quantisation error",
            help="Norm of the trained change over that of the quantisation error, layer by layer: above 1 the change "
            "is the larger of the two.",
            paper="2305.14314",
            vector="delta_over_error",
            value=Axis("Norm of dW / norm of the error"),
        ),
        LayerBars(
            key="quantised-error",
            title="Quantisation error by layer",
            help="What holding the weight in fewer bits cost, in percent of its norm, measured once.",
            paper="2305.14314",
            vector="quantisation_error",
            value=Axis("Error", "%"),
            times=100.0,
        ),
    )

    def encode(self, weight: Tensor) -> dict[str, Tensor]:
        """An (out, in) weight as tensors of codes, the main one under "weight"."""
        raise NotImplementedError

    def decode(self, codes: Mapping[str, Tensor], shape: Size, dtype: dtype, gain: Tensor | None = None) -> Tensor:
        """The (out, in) weight that codes stand for, its rows times a gain (out,) where there is one."""
        raise NotImplementedError

    def hold(self, module: Module) -> Module:
        from core.adapters.storage.held import Held

        bias = module._parameters.get("bias")
        return Held(super().weight(module).contiguous(), bias, self)

    def weight(self, module: Module, gain: Tensor | None = None) -> Tensor:
        from core.adapters.storage.held import Held

        return module.dense(gain=gain) if isinstance(module, Held) else super().weight(module, gain)

    def rounded(self, weight: Tensor) -> Tensor:
        import torch

        weight = weight.contiguous()
        return self.decode(self.encode(weight), weight.shape, torch.float32)

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Comparing(adapters)]


class FourBits(Quantised):
    """Codes of four bits, which a kernel of bitsandbytes reads."""

    library = 48_000_000


class Comparing(Callback):
    """Shows by layer what quantising cost, once, and how large the adapter's change is beside that."""

    def __init__(self, adapters: Adapters) -> None:
        self.layers = list(adapters.layers.values())
        self.told = False

    def vectors(self) -> Mapping[str, list[float]]:
        """`delta_over_error`, ||dW|| / ||W - W'||, and once `quantisation_loss`, ||W - W'||, and `quantisation_error`,
        the same over ||W||."""
        from core.adapters.norms import delta_norms

        losses = [float(getattr(layer.base, "loss", 0.0)) for layer in self.layers]
        deltas = delta_norms(self.layers).tolist()
        found = {
            "delta_over_error": [delta / loss if loss else 0.0 for delta, loss in zip(deltas, losses, strict=True)]
        }
        if not self.told:
            self.told = True
            found["quantisation_loss"] = losses
            found["quantisation_error"] = [float(getattr(layer.base, "error", 0.0)) for layer in self.layers]
        return found
