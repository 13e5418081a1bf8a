"""`Adapted`: the only `nn.Module` of the family. A frozen linear layer, a delta and a magnitude.

Which delta and which magnitude are values handed in; nothing here knows a method by name. Everything that looks at an
adapter (DoRA's norms, merging, measuring, export) asks this class for `factors()`, `scale` and `base_weight()`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.adapters.axis import declared
from core.adapters.fused import Frozen, Given

if TYPE_CHECKING:
    from core.adapters.axis import BaseUpdate, Delta, Init, Magnitude, Param, Scale, Storage
    from core.layers import LayerPlan


class Adapted(nn.Module):
    """One linear layer with its adapter.

    Args:
        base: the frozen module: `nn.Linear`, GPT-2's `Conv1D`, or a quantised linear.
        plan: which layer it is, with rank and alpha.
        delta, scale, magnitude, init, storage, base_update: the members of the axes that live in a layer.
        own: this layer's tensors by name; other layers may have the same ones.
        shared: frozen tensors that all layers hold together, already sliced to this layer's shape.
        dropout: share of the branch's input that is dropped in training.
    """

    def __init__(
        self,
        base: nn.Module,
        plan: LayerPlan,
        *,
        delta: Delta,
        scale: Scale,
        magnitude: Magnitude,
        init: Init,
        storage: Storage,
        base_update: BaseUpdate,
        own: Mapping[str, nn.Parameter],
        shared: Mapping[str, Tensor],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.base = base
        self.plan = plan
        self.delta = delta
        self.scale_rule = scale
        self.magnitude = magnitude
        self.init = init
        self.storage = storage
        self.base_update = base_update
        self.own = nn.ParameterDict(own)
        self.shared = dict(shared)
        self.dropout = dropout
        self.enabled = True
        self.declared: dict[str, Param] = declared(plan, delta, magnitude, base_update, init)
        self.active_rank = plan.rank
        self.carry = 0.0
        """Ratio of the adapter's change that the base has taken up (Delta-LoRA); 0 before it begins."""
        self.constants: dict[str, Tensor] = {}
        """What follows from the frozen base weight alone, kept by whoever worked it out."""
        self.folded = ""
        """The name of the tensor that stands for W + dW instead of dW; empty unless `fold` made one so."""
        self.given = Given()
        """What has been seen of the layer's outputs; for a magnitude, which learns from them."""
        self._derived: dict[str, tuple[Any, Tensor]] = {}
        magnitude.begin(self)

    @property
    def scale(self) -> float:
        """The factor in front of B A, for the rank that is active now."""
        return self.scale_rule.of(self.plan.alpha, self.active_rank)

    @property
    def bias(self) -> Tensor | None:
        """The base layer's bias, (out,), or None."""
        found: Tensor | None = getattr(self.base, "bias", None)
        return found

    @property
    def weight(self) -> Tensor:
        """The base module's own weight, for model code that looks at its dtype or device."""
        return self.base.get_parameter("weight")

    def fold(self) -> None:
        """Train W + dW itself from here on, where dW is a tensor and sees the same inputs as W.

        The sum is then never worked out again, and the optimizer sees the weight as in any other full fine-tuning.
        """
        name = self.delta.itself
        if name and not (self.dropout or self.folded or self.plan.layer.kind == "vector"):
            with torch.no_grad():
                self.own[name].add_(self.base_weight())
            self.folded = name

    def unfold(self) -> None:
        """Take W out of what `fold` made, up to rounding."""
        if self.folded:
            with torch.no_grad():
                self.own[self.folded].sub_(self.base_weight())
            self.folded = ""

    def stated(self) -> dict[str, Tensor]:
        """The layer's own tensors by name, as files have them: dW is dW, folded or not."""
        found: dict[str, Tensor] = dict(self.own)
        if self.folded:
            found[self.folded] = found[self.folded] - self.base_weight()
        return found

    def tensors(self) -> dict[str, Tensor]:
        """The adapter's tensors by name, cut to the active rank."""
        found: dict[str, Tensor] = {**self.stated(), **self.shared}
        if self.active_rank < self.plan.rank:
            for name, tensor in found.items():
                dim = self.declared[name].rank_dim
                found[name] = tensor if dim is None else tensor.narrow(dim, 0, self.active_rank)
        return found

    def factors(self) -> tuple[Tensor, Tensor]:
        """`(B', A')` of shapes (out, r) and (r, in): dW = scale * B' A', with what the base has taken up."""
        return self.base_update.since(self, *self.init.since(self, *self.delta.factors(self.tensors())))

    def carried(self) -> list[tuple[Tensor, Tensor]]:
        """What stands for a change of the base itself, as pairs `(B, A)`; no gradient goes to the adapter from it."""
        found = [self.init.carried(self)]
        if self.base_update.weight(self) is None:
            found.append(self.base_update.carried(self))
        return [pair for pair in found if pair is not None]

    def base_weight(self) -> Tensor:
        """The frozen (out, in) weight that the layer computes with, dequantised where it is stored in fewer bits."""
        return self.storage.weight(self.base)

    def present_weight(self) -> Tensor:
        """The (out, in) weight beneath the adapter: the frozen one, or what an update has made of it."""
        changed = self.base_update.weight(self)
        return self.base_weight() if changed is None else changed

    def delta_weight(self) -> Tensor:
        """dW against the frozen weight as one (out, in) float32 matrix: for merging, never for measuring."""
        with torch.no_grad():
            return self._change((self.base_update.carried(self), self.init.carried(self)))

    def _change(self, pairs: Iterable[tuple[Tensor, Tensor] | None]) -> Tensor:
        """The delta and these products together, (out, in) float32, scale included."""
        weight = self.delta.weight({name: tensor.float() for name, tensor in self.tensors().items()})
        for pair in pairs:
            if pair is not None:
                weight = weight + pair[0].float() @ pair[1].float()
        return weight * self.scale

    def merged_weight(self, base: Tensor | None = None) -> Tensor:
        """The (out, in) weight with the adapter in it.

        Args:
            base: W0 to merge into, in the precision to work in; None takes `base_weight()` in float32.
        """
        with torch.no_grad():
            weight = self.base_weight().float() if base is None else base
            changed = self.base_update.weight(self)
            if changed is None:
                return self.magnitude.merge(self, weight + self.delta_weight().to(weight))
            return self.magnitude.merge(self, changed.to(weight) + self._change(self.carried()).to(weight))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) to (..., out) in the base layer's dtype; exactly the base's output while switched off."""
        if not self.enabled:
            return self.base(x)  # type: ignore[no-any-return]
        return self.magnitude.forward(self, x)

    def sum(self, x: Tensor, *, bias: bool = True) -> Tensor:
        """Base output plus scaled branch for x (..., in), with the base's bias or without: (..., out)."""
        if self.folded:
            return functional.linear(x, self.own[self.folded].to(x.dtype), self.bias if bias else None)
        if self.fusible(x):
            return self.delta.linear(self.tensors(), x, self.frozen(bias=bias), self.scale)
        y = self.base_output(x, bias=bias)
        return self.with_carried(y + self.branch(x).to(y.dtype), x)

    def frozen(self, *, bias: bool = True) -> Frozen:
        """All that is not trained, for the one-step form."""
        codes = "float_base" not in self.storage.provides
        return Frozen(
            None if codes else self.present_weight(),
            bias=self.bias if bias else None,
            again=partial(self.storage.weight, self.base) if codes else None,
            carried=_together(self.carried()),
        )

    def with_carried(self, y: Tensor, x: Tensor) -> Tensor:
        """y (..., out) with what the base has taken up or given up for x (..., in)."""
        for pair in self.carried():
            b, a = (factor.to(x.dtype) for factor in pair)
            y = y + ((x @ a.T) * self.scale) @ b.T
        return y

    def base_output(self, x: Tensor, *, bias: bool = True) -> Tensor:
        """The base layer's output, with its bias or without: (..., out)."""
        changed = self.base_update.weight(self)
        y: Tensor = self.base(x) if changed is None else functional.linear(x, changed.to(x.dtype), self.bias)
        return y if bias or self.bias is None else y - self.bias.to(y.dtype)

    def derived(self, name: str, work_out: Callable[[], Tensor], *, of: Collection[Tensor] | None = None) -> Tensor:
        """A tensor that follows from the adapter's, worked out anew only when one of those has changed.

        torch counts every in-place change of a tensor, so an optimizer's step, a restored checkpoint or another active
        rank is noticed here without anybody having to say so; micro-batches and recomputed blocks share one result.

        Args:
            name: under which it is kept.
            work_out: makes it, without a gradient.
            of: the tensors that it follows from; all of the layer's own by default.
        """
        found = self.still_derived(name, of=of)
        if found is None:
            # A forward pass may have autocast on, and a row's length in bfloat16 would hide how far it has changed.
            with torch.no_grad(), torch.autocast(self.weight.device.type, enabled=False):
                found = work_out()
            self._derived[name] = (self._state(of), found)
        return found

    def still_derived(self, name: str, *, of: Collection[Tensor] | None = None) -> Tensor | None:
        """What `derived` keeps under this name, where it follows from these tensors as they are now."""
        known = self._derived.get(name)
        return known[1] if known is not None and known[0] == self._state(of) else None

    def _state(self, of: Collection[Tensor] | None) -> tuple[Any, ...]:
        """Equal for as long as none of these tensors, by default the layer's own, has changed."""
        tensors = self.own.values() if of is None else of
        return (self.active_rank, *((tensor.data_ptr(), tensor._version) for tensor in tensors))

    def branch(self, x: Tensor) -> Tensor:
        """The scaled output of the adapter alone, (..., out), in the adapter's dtype (or autocast's)."""
        p = self.tensors()
        if not torch.is_autocast_enabled(x.device.type):
            x = x.to(next(iter(p.values())).dtype)
        return self.delta.branch(p, self.drop(x), self.scale)

    def drop(self, x: Tensor) -> Tensor:
        """Dropout on the branch's input, in training only."""
        return functional.dropout(x, self.dropout, self.training) if self.dropout and self.training else x

    def fusible(self, x: Tensor) -> bool:
        """Whether the one-step form serves: all numbers of x's dtype, no dropout now, no autocast."""
        weight = self.weight
        return (
            not (self.dropout and self.training)
            and x.dtype == (weight.dtype if weight.is_floating_point() else torch.float32)
            and x.dtype == next(iter(self.own.values())).dtype
            and not torch.is_autocast_enabled(x.device.type)
        )

    def extra_repr(self) -> str:
        """Shown by `print(model)`."""
        return f"{self.delta.kind}, rank={self.plan.rank}, alpha={self.plan.alpha}"


def _together(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor] | None:
    """Several products B A as one."""
    if len(pairs) < 2:
        return pairs[0] if pairs else None
    return torch.cat([b for b, _ in pairs], 1), torch.cat([a for _, a in pairs])
