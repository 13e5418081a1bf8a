"""What both forms of Delta-LoRA share: the base weight follows the adapter's product.

After step `start` the paper adds lambda * s * (B_t A_t - B_{t-1} A_{t-1}) to W at every step. The increments telescope:

    W_t = W_0 + lambda s (B_t A_t - B_tau A_tau)

with tau the step at which it begins. So the factors at tau say all there is to say of the base's drift, in an adapter
of rank 2r, whether W itself is changed or not.

An honest note: with Adam and a start at step 0 this is LoRA with alpha * (1 + lambda), step for step. Compare with it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import BaseUpdate, Param
from core.callback import Callback
from core.component import option
from core.figures.figure import Axis
from core.figures.live.against import Against
from core.figures.live.layer_map import LayerMap
from core.layers import LayerPlan
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from core.adapters.adapted import Adapted
    from core.adapters.attach import Adapters
    from core.config.run import RunConfig


class Follows(BaseUpdate):
    """A base that follows the adapter; a member says where the change is kept."""

    paper = "2309.02411"
    needs = frozenset({"factors", "no_dropout", "fixed_rank", "plain_magnitude"})
    provides = frozenset({"follows"})
    because = MappingProxyType(
        {
            "factors": "the base follows a product of two factors",
            "no_dropout": "with dropout the gradient of B A is not the gradient of W",
            "fixed_rank": "the base follows one product B A, and would take up every jump of it λ times over",
            "plain_magnitude": "a base that moves at every step takes their meaning from the lengths that were set at "
            "the start",
        }
    )

    shows = (
        LayerMap(
            key="delta-lora-drift",
            title="Drift of the base by layer",
            help="How far the base weight itself has gone from where it was loaded. It is 0 until the base begins to "
            "follow.",
            paper="2309.02411",
            vector="base_drift",
            value=Axis("Norm of the drift"),
        ),
        Against(
            key="delta-lora-against",
            title="Drift against the whole change",
            help="Each layer's drift of the base over the norm of its whole change, adapter and drift together; "
            "brighter is later.",
            paper="2309.02411",
            across="delta_norm",
            up="base_drift",
            x=Axis("Norm of dW"),
            y=Axis("Norm of the drift"),
            way=True,
        ),
    )

    ratio: float = option(2.0, "Ratio λ", "How far the base moves for each step of the adapter's product.", ge=0)
    start: float = option(
        0.1,
        "Begin",
        "Before it the base stays: a share of the run below 1, or a number of steps (the paper: 500).",
        ge=0,
    )

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        layer = plan.layer
        return {
            "tau_a": Param((plan.rank, layer.in_features), role="a", trainable=False, rank_dim=0),
            "tau_b": Param((layer.out_features, plan.rank), role="b", trainable=False, rank_dim=1),
        }

    def carried(self, layer: Adapted) -> tuple[Tensor, Tensor] | None:
        if not layer.carry:
            return None
        return layer.derived("carried_b", lambda: _side_by_side(layer)), layer.derived(
            "carried_a", lambda: _stacked(layer)
        )

    def since(self, layer: Adapted, b: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
        """(1 + lambda) B A - lambda B_tau A_tau, and lambda times what a start took out of the base (PiSSA)."""
        import torch

        if not layer.carry:
            return b, a
        pairs = [(b * (1 + layer.carry), a), (layer.own["tau_b"] * -layer.carry, layer.own["tau_a"])]
        if (start := layer.init.carried(layer)) is not None:
            pairs.append((start[0] * -layer.carry, start[1]))
        return torch.cat([one for one, _ in pairs], 1), torch.cat([other for _, other in pairs])

    def doubts(self, config: RunConfig, path: str) -> Iterator[Problem]:
        if self.ratio and not self.first_step(config) and "scale_free" in config.train.optimizer.provides:
            alpha = config.adapter.alpha
            text = (
                f"With {config.train.optimizer.label}, a base that follows from the first step is LoRA with "
                f"alpha {alpha * (1 + self.ratio):g} instead of {alpha:g}, step for step."
            )
            yield Problem(path, text, "Take LoRA with that alpha, or let the base begin later.", blocking=False)

    def first_step(self, config: RunConfig) -> int:
        """The 0-based step after which the base first follows."""
        return round(self.start * config.train.steps) if self.start < 1 else round(self.start)

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Following(self.ratio, self.first_step(config), adapters)]


def followed(layer: Adapted) -> tuple[Tensor, Tensor]:
    """The factors `(B, A)` that the base follows, (out, r) and (r, in)."""
    return layer.delta.factors(layer.tensors())


def _side_by_side(layer: Adapted) -> Tensor:
    """[lambda B, -lambda B_tau], (out, 2r)."""
    import torch

    return torch.cat((followed(layer)[0], -layer.own["tau_b"]), 1) * layer.carry


def _stacked(layer: Adapted) -> Tensor:
    """[A; A_tau], (2r, in)."""
    import torch

    return torch.cat((followed(layer)[1], layer.own["tau_a"]))


class Following(Callback):
    """Keeps the factors as they are when the base begins to follow, and measures how far it has gone."""

    def __init__(self, ratio: float, begin: int, adapters: Adapters) -> None:
        self.ratio = ratio
        self.begin_at = begin
        self.layers = adapters.layers

    def before_step(self, step: int) -> None:
        import torch

        if step != self.begin_at or not self.ratio:
            return
        with torch.no_grad():
            # What has followed in an earlier run, from which this one began, goes on as it was.
            for layer in [layer for layer in self.layers.values() if not layer.carry]:
                layer.own["tau_b"].copy_(followed(layer)[0])
                layer.own["tau_a"].copy_(followed(layer)[1])
                layer.carry = self.ratio

    def vectors(self) -> dict[str, list[float]]:
        """How far the base itself has moved, as a Frobenius norm per layer."""
        from core.adapters.norms import by_layer, product_norms

        layers = list(self.layers.values())
        carried = [pair for layer in layers if (pair := layer.base_update.carried(layer)) is not None]
        norms = by_layer(carried, product_norms).tolist() if carried else [0.0] * len(layers)
        return {"base_drift": [norm * layer.scale for norm, layer in zip(norms, layers, strict=True)]}
