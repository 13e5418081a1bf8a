"""DoRA's magnitude: the length of each row of the weight is trained apart from its direction.

With V = W0 + s B A, n_i = ||V_i|| and g = m / n, the layer computes g * (x V^T) + bias. n is treated as a constant of
the step (section 4.3 of the paper), so the gradient of V is merely scaled and no graph is kept for the norm.

n is never taken from a dense V: with c_i = ||W0_i||^2 cached,

    n_i^2 = c_i + 2 s ((W0 A^T) * B).sum(1)_i + s^2 ((B (A A^T)) * B).sum(1)_i

needs one (out, r) product and one r x r product, once per optimizer step. In training that is the same as

    n_i^2 = c_i + s (((W0 + V) A^T) * B).sum(1)_i

and W0 A^T and V A^T are what comes out of the layer's own two products when the rows of A go in with the tokens. Where
a row nearly cancels, float32 can lose the difference, so such rows are measured directly. A row of zeros in W0 has no
direction: its g is 1, and it behaves as in plain LoRA (the published code divides by zero there).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from core.adapters.axis import Magnitude, Param
from core.component import option
from core.figures.figure import Axis
from core.figures.live.against import Against
from core.figures.live.layer_map import LayerMap
from core.layers import LayerPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from core.adapters.adapted import Adapted
    from core.adapters.fused import Rows

FLOOR = 1e-12
"""Smallest norm that is divided by."""
CANCELLED = 1e-4
"""Rows whose squared norm is below this share of the base row's are measured directly."""


class Row(Magnitude):
    """DoRA (arXiv:2402.09353): length and direction of every output row are trained apart.

    Learns more like full fine-tuning than LoRA at the same rank, for one extra number per output and a little time.
    """

    kind = "row"
    label = "Row lengths (DoRA)"
    paper = "2402.09353"
    needs = frozenset({"factors"})
    because = MappingProxyType(
        {
            "factors": "the new row lengths are worked out from B and A",
            "plain_magnitude": "its row lengths start as those of the base weight",
        }
    )
    wary = MappingProxyType(
        {
            "masks": "DoRA over AdaLoRA's triplets is in no paper: every mask changes the rows at once, and their "
            "lengths are measured anew after it.",
            "every_rank": "DoRA with ranks that are drawn is in no paper: one length for each row has to serve "
            "them all.",
            "offset": "DoRA over a start that is taken out of the weight is in no paper: the row lengths begin as "
            "those of the whole weight, so that the first output is the base model's.",
        }
    )
    shows = (
        Against(
            key="dora-movement",
            title="Length against direction",
            help="How far the rows of each weight turned (across) and changed in length (up), at five moments; "
            "brighter is later. The paper finds a falling line for DoRA and full fine-tuning, a rising one for LoRA.",
            paper="2402.09353",
            across="direction_change",
            up="length_change",
            x=Axis("Change of direction dD"),
            y=Axis("Change of length dM"),
            way=True,
        ),
        LayerMap(
            key="dora-magnitudes",
            title="Magnitudes by layer",
            help="How far the trained row lengths m have moved from those of the base weight, on average.",
            paper="2402.09353",
            vector="magnitude_change",
            value=Axis("Mean change of m", "%"),
        ),
    )

    branch_dropout: bool = option(
        False,
        "Drop in the branch only",
        "Cheaper with dropout: the base output is not computed a second time for the dropped input, unlike the paper.",
        advanced=True,
    )

    def params(self, plan: LayerPlan) -> dict[str, Param]:
        return {"m": Param((plan.layer.out_features,), role="magnitude", fill="constant", std=1.0)}

    def begin(self, layer: Adapted) -> None:
        import torch

        with torch.no_grad():
            lengths = self.base_lengths(layer)
            layer.own["m"].copy_(torch.where(lengths > 0, lengths, torch.ones_like(lengths)))

    def forward(self, layer: Adapted, x: Tensor) -> Tensor:
        import torch

        from core.adapters.fused import low_rank_linear

        if layer.fusible(x):
            b, a = layer.delta.thin(layer.tensors())
            return low_rank_linear(x, layer.frozen(), a, b, layer.scale, rows=self._rows(layer, a))
        gain: Tensor = layer.own["m"] / self.norm(layer)
        if layer.dropout and layer.training and not self.branch_dropout:
            return self._with_dropout(layer, x, gain)
        z = layer.sum(x, bias=False)
        y = z * gain if layer.bias is None else torch.addcmul(layer.bias, z, gain)
        return y.to(z.dtype)

    def _rows(self, layer: Adapted, a: Tensor) -> Rows:
        """What the one-step form is told of the rows. Where A is trained, their lengths are worked out on the way.

        Not beside what the base carries: the two take much of each other back, which on the way would cost digits. What
        is found there is kept apart from `norm`, which is as near but not the same to the last bit: so the numbers of a
        step do not depend on who has looked at the layer before it, and a run that goes on repeats them.
        """
        from core.adapters.fused import Rows

        if not (layer.training and a.requires_grad) or layer.carried():
            return Rows(layer.own["m"], layer.given, self.norm(layer))

        def measure(through: Tensor, b: Tensor) -> Tensor:
            return layer.derived("lengths", lambda: self._lengths(layer, through.mul_(b.T).sum(0).mul_(layer.scale)))

        return Rows(layer.own["m"], layer.given, layer.still_derived("lengths"), measure)

    def _with_dropout(self, layer: Adapted, x: Tensor, gain: Tensor) -> Tensor:
        """The authors' form: the correction of the base output sees the dropped input, as the branch does."""
        dropped = layer.drop(x)
        y = layer.with_carried(layer.base_output(x), x)
        correction = (gain - 1) * layer.with_carried(layer.base_output(dropped, bias=False), dropped)
        branch = layer.delta.branch(layer.tensors(), dropped.to(gain.dtype), layer.scale)
        return (y + correction + gain * branch).to(y.dtype)

    def merge(self, layer: Adapted, weight: Tensor) -> Tensor:
        lengths = weight.norm(dim=1).clamp_min(FLOOR)
        gain = layer.own["m"].to(weight) / lengths
        gain[self.base_lengths(layer).to(weight) == 0] = 1.0
        merged: Tensor = weight * gain[:, None]
        return merged

    def norm(self, layer: Adapted) -> Tensor:
        """n, (out,), of the rows of W0 + dW, detached; m where the base row is all zeros, so that g is 1."""
        return layer.derived("norm", lambda: self._norm(layer))

    def base_lengths(self, layer: Adapted) -> Tensor:
        """||W0_i||, (out,), in the adapter's precision; kept, since W0 does not change."""
        import torch

        found: Tensor | None = layer.constants.get("base_lengths")
        if found is None:
            weight = layer.base_weight().detach().to(layer.own["m"].dtype)
            square = layer.constants["base_squares"] = weight.norm(dim=1).square()
            # The root of the very square that `norm` adds to: where nothing has been added, g is exactly 1.
            found = layer.constants["base_lengths"] = torch.where(square > 0, _root(square), square)
        return found

    def measured(self, layers: Sequence[Adapted]) -> Mapping[str, NDArray[np.float32]]:
        """How far rows have moved in length and direction (section 3.2 of the paper), from what `norm` is made of.

        With u the added row and d the change of the length that it makes, 1 - cos = (|u|² - d²) / (2 n |W0_i|): no
        difference of nearly equal numbers, so that the first steps can be seen in float32.
        """
        from core.adapters.norms import by_layer

        rows = [
            (layer.own["m"].detach(), self.base_lengths(layer), self.norm(layer), *self._added(layer))
            for layer in layers
        ]
        return {
            "length_change": by_layer([row[:2] for row in rows], lambda m, base: _mean((m.abs() - base).abs(), base)),
            "magnitude_change": by_layer(
                [row[:2] for row in rows],
                lambda m, base: _mean(100 * (m.abs() / base.clamp_min(FLOOR) - 1).abs(), base),
            ),
            "direction_change": by_layer([row[1:] for row in rows], _turned),
        }

    def _added(self, layer: Adapted) -> tuple[Tensor, Tensor]:
        """2 <W0_i, dW_i> and ||dW_i||² of every row, (out,) both."""
        import torch

        with torch.no_grad():
            (b, projected, gram), s = _parts(layer), layer.scale
            return 2 * s * (projected * b).sum(1), s * s * ((b @ gram) * b).sum(1)

    def _norm(self, layer: Adapted) -> Tensor:
        import torch

        (b, projected, gram), s = _parts(layer), layer.scale
        # Both terms at once: a layer's operations at this size cost more to start than to do.
        return self._lengths(layer, torch.addmm(projected, b, gram, beta=2 * s, alpha=s * s).mul_(b).sum(1))

    def _lengths(self, layer: Adapted, added: Tensor) -> Tensor:
        """n, (out,), from ||W0_i + dW_i||^2 - ||W0_i||^2, (out,)."""
        import torch

        base = self.base_lengths(layer)
        if "cancelled" not in layer.constants:
            square = layer.constants["base_squares"]
            layer.constants |= {"cancelled": CANCELLED * square, "empty": (square == 0).any().cpu()}
        n2 = added.add_(layer.constants["base_squares"])
        lost = (n2 < layer.constants["cancelled"]).nonzero().flatten()
        if lost.numel():
            b, a = layer.factors()
            weight = layer.base_weight().to(b.dtype)
            n2[lost] = (weight[lost] + layer.scale * (b[lost] @ a)).square().sum(1).clamp_min_(FLOOR**2)
        n = _root(n2)
        return torch.where(base > 0, n, layer.own["m"]) if layer.constants["empty"] else n


def _root(values: Tensor) -> Tensor:
    """The root of numbers above 0: torch's own wakes all threads of a processor, which takes longer than the roots."""
    return values * values.rsqrt()


def _parts(layer: Adapted) -> tuple[Tensor, Tensor, Tensor]:
    """B (out, r), W0 Aᵀ (out, r) and A Aᵀ (r, r), kept until the factors change.

    Where A is frozen the two products are worked out once for the whole training.
    """
    lasting = None if layer.carried() else layer.delta.over_frozen(layer.tensors())
    b, a = layer.factors() if lasting is None else lasting

    def seen() -> Tensor:
        # Lying, and turned: thin products are slow standing.
        return (a @ layer.base_weight().to(a.dtype).T).T

    of = None if lasting is None else (a,)
    return b, layer.derived("projected", seen, of=of), layer.derived("gram", lambda: a @ a.T, of=of)


def _turned(base: Tensor, norm: Tensor, cross: Tensor, own: Tensor) -> Tensor:
    """Mean of 1 - cos(W0_i, W0_i + dW_i); all (layers, out) to (layers,)."""
    longer = (cross + own) / (norm + base).clamp_min(FLOOR)
    turned = ((own - longer.square()) / (2 * norm * base).clamp_min(FLOOR)).clamp(0, 2)
    return _mean(turned, base)


def _mean(values: Tensor, base: Tensor) -> Tensor:
    """Mean over the rows that have a direction in the base weight, and so a length to compare with, (layers,)."""
    return (values * (base > 0)).sum(1) / (base > 0).sum(1).clamp_min(1)
