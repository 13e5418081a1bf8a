"""DoRA's magnitude: the length of each row of the weight is trained apart from its direction.

With V = W0 + s B A, n_i = ||V_i|| and g = m / n, the layer computes g * (x V^T) + bias. n is treated as a constant of
the step (section 4.3 of the paper), so the gradient of V is merely scaled and no graph is kept for the norm.

n is never taken from a dense V: with c_i = ||W0_i||^2 cached,

    n_i^2 = c_i + 2 s ((W0 A^T) * B).sum(1)_i + s^2 ((B (A A^T)) * B).sum(1)_i

needs one (out, r) product and one r x r product, once per optimizer step. Where a row nearly cancels, float32 can lose
the difference, so such rows are measured directly. A row of zeros in W0 has no direction: its g is 1, and it behaves as
in plain LoRA (the published code divides by zero there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.adapters.axis import Magnitude, Param
from core.component import option
from core.layers import LayerPlan

if TYPE_CHECKING:
    from torch import Tensor

    from core.adapters.adapted import Adapted

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

        gain: Tensor = layer.own["m"] / self.norm(layer)
        if layer.dropout and layer.training and not self.branch_dropout:
            return self._with_dropout(layer, x, gain)
        z = layer.sum(x, bias=False)
        g = gain.to(z.dtype)
        return z * g if layer.bias is None else torch.addcmul(layer.bias.to(z.dtype), z, g)

    def _with_dropout(self, layer: Adapted, x: Tensor, gain: Tensor) -> Tensor:
        """The authors' form: the correction of the base output sees the dropped input, as the branch does."""
        dropped = layer.drop(x)
        y = layer.base_output(x)
        g = gain.to(y.dtype)
        correction = (g - 1) * layer.with_carried(layer.base_output(dropped, bias=False), dropped)
        branch = layer.delta.branch(layer.tensors(), dropped.to(layer.own["m"].dtype), layer.scale)
        total: Tensor = layer.with_carried(y, x) + correction + g * branch.to(y.dtype)
        return total

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
        found: Tensor | None = layer.constants.get("base_lengths")
        if found is None:
            weight = layer.base_weight().detach().to(layer.own["m"].dtype)
            found = layer.constants["base_lengths"] = weight.norm(dim=1)
        return found

    def _norm(self, layer: Adapted) -> Tensor:
        import torch

        b, a = layer.factors()
        weight, s = layer.base_weight().to(b.dtype), layer.scale
        base = self.base_lengths(layer)
        square = base.square()
        cross = ((weight @ a.T) * b).sum(1)
        own = ((b @ (a @ a.T)) * b).sum(1)
        n2 = square + 2 * s * cross + s * s * own
        lost = (n2 < CANCELLED * square).nonzero().flatten()
        if lost.numel():
            n2[lost] = (weight[lost] + s * (b[lost] @ a)).square().sum(1)
        # Where nothing has been added the base's own length is exact, and g is exactly 1 at the first step.
        length = torch.where(n2 == square, base, n2.clamp_min(0).sqrt()).clamp_min(FLOOR)
        return torch.where(base > 0, length, layer.own["m"])
