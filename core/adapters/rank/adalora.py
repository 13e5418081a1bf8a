"""AdaLoRA's budget: all triplets of all layers compete, and the least important are switched off.

The importance of a number w is a smoothed |w dL/dw| times its smoothed uncertainty; that of a triplet is the one of its
lambda plus the means over its column of P and its row of Q. As in the published code, it is taken after the optimizer's
step with the gradients of that step, only lambdas are set to zero, and the optimizer's moments are left alone: a masked
lambda may drift back between two masks, and that is how a triplet returns.

The printed formula (14) of the paper starts above the first budget; the published code does not, and is followed.
Exactly b(t) triplets survive a mask: ties are broken by position, where the published code lets all of a tie go.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from core.adapters.axis import RankSchedule
from core.callback import Callback
from core.component import option
from core.figures.figure import Axis
from core.figures.live.course import Course
from core.figures.live.layer_map import LayerMap
from core.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from core.adapters.adapted import Adapted
    from core.adapters.attach import Adapters
    from core.config.run import RunConfig

TRIPLET = ("p", "lam", "q")
"""A layer's tensors, of which the triplets are columns, numbers and rows."""


class Adalora(RankSchedule):
    """Starts with more rank than is wanted and takes it away where it matters least (AdaLoRA, arXiv:2303.10512).

    The rank of the adapter is the one it starts with; the average at the end is the target.
    """

    kind = "adalora"
    label = "Budget by importance (AdaLoRA)"
    paper = "2303.10512"
    needs = frozenset({"triplets"})
    provides = frozenset({"masks"})
    because = MappingProxyType(
        {
            "fixed_rank": "AdaLoRA takes rank away where it finds little importance, and masks whole directions "
            "at once",
        }
    )

    shows = (
        LayerMap(
            key="adalora-ranks",
            title="Rank by layer and step",
            help="Triplets that each layer has left. All layers compete for one budget: bright layers were found to "
            "matter, dark ones have given theirs up.",
            paper="2303.10512",
            vector="rank",
            value=Axis("Rank"),
        ),
        Course(
            key="adalora-budget",
            title="Budget of triplets",
            help="Triplets allowed in all layers together: it stays at first, falls along a cube, and rests "
            "at the end.",
            paper="2303.10512",
            of={"budget": "budget"},
            value=Axis("Triplets"),
        ),
    )

    target: float = option(0.0, "Target rank", "Average rank at the end; 0 takes two thirds of the first rank.", ge=0)
    start: float = option(
        0.1, "Begin pruning", "Before it the budget stays: a share of the run below 1, or a number of steps.", ge=0
    )
    settle: float = option(
        0.3, "Settle", "At the end the ranks stay as they are: a share of the run below 1, or a number of steps.", ge=0
    )
    every: int = option(1, "Prune every", "Steps between two masks.", unit="steps", ge=1)
    orthogonality: float = option(
        0.1, "Orthogonality", "Weight of the term that keeps the directions of P and Q apart.", ge=0
    )
    orth: Literal["code", "paper"] = option(
        "code",
        "Form of the term",
        "Code: the mean over all P and Q of how far they are from orthonormal, as in the published code, for which the "
        "weights of 0.1 to 0.5 were chosen. Paper: the sum of the squares, many times larger; lower the weight.",
        advanced=True,
    )
    beta1: float = option(0.85, "Beta 1", "Memory of the sensitivity.", ge=0, lt=1, advanced=True)
    beta2: float = option(0.85, "Beta 2", "Memory of its uncertainty.", ge=0, lt=1, advanced=True)

    def callbacks(self, adapters: Adapters, config: RunConfig) -> list[Callback]:
        return [Budget(self, adapters, config.train.steps)]

    def doubts(self, config: RunConfig, path: str) -> Iterator[Problem]:
        rank, steps = config.adapter.rank, config.train.steps
        begin, settle = _steps(self.start, steps), _steps(self.settle, steps)
        if self.target >= rank and not config.adapter.ranks:
            text = f"AdaLoRA starts with rank {rank} and shall end with {self.target:g}: there is nothing to take away."
            hint = "Set adapter.rank_schedule.target below adapter.rank, or take LoRA for a rank that stays."
            yield Problem(path, text, hint)
        if begin + settle >= steps:
            text = (
                f"AdaLoRA prunes after step {begin} and until {settle} steps before the end: of {steps} steps none is "
                "left for it."
            )
            yield Problem(path, text, "Begin earlier, settle later, or train for more steps.")

    def budget(self, step: int, steps: int, first: int, last: int) -> int:
        """Triplets allowed after the 1-based `step` of `steps`: from `first` down a cube to `last`."""
        begin, settle = _steps(self.start, steps), _steps(self.settle, steps)
        if step <= begin:
            return first
        if step > steps - settle:
            return last
        left = 1 - (step - begin) / max(1, steps - settle - begin)
        return int(last + (first - last) * left**3)

    def masks(self, step: int, steps: int) -> bool:
        """Whether lambdas are masked after the 1-based `step`."""
        begin, settle = _steps(self.start, steps), _steps(self.settle, steps)
        return step > begin and (step % self.every == 0 or step >= steps - settle)

    def final(self, ranks: Sequence[int]) -> int:
        """Triplets that are left at the end, over all layers."""
        average = self.target or sum(ranks) / len(ranks) / 1.5
        return max(1, min(sum(ranks), round(average * len(ranks))))


def _steps(value: float, steps: int) -> int:
    return round(value * steps) if value < 1 else round(value)


class Budget(Callback):
    """Follows the importance of every triplet and masks those beyond the budget."""

    name = "adalora"

    def __init__(self, rule: Adalora, adapters: Adapters, steps: int) -> None:
        from core.adapters.sensitivity import Sensitivities

        self.rule = rule
        self.steps = steps
        self.layers = adapters.layers
        ranks = [layer.plan.rank for layer in self.layers.values()]
        self.first, self.last = sum(ranks), rule.final(ranks)
        self.allowed = self.first
        self.step = 0
        self.sensitivities = Sensitivities(rule.beta1, rule.beta2)
        self.kept: dict[str, Tensor] = {}

    def after_backward(self) -> None:
        """Adds the gradient of the orthogonality term over all P and Q that are trained; see `Adalora.orth`."""
        if not self.rule.orthogonality:
            return
        factors = [(layer.own[key], key == "p") for layer in self.layers.values() for key in ("p", "q")]
        trained = [(factor, columns) for factor, columns in factors if factor.requires_grad]
        squared = self.rule.orth == "paper"
        weight = self.rule.orthogonality / (1 if squared else len(trained))
        for factor, columns in trained:
            _push_apart(factor, weight, columns=columns, squared=squared)

    def before_step(self, step: int) -> None:
        self.step = step + 1

    def after_update(self) -> None:
        settling = self.steps - _steps(self.rule.settle, self.steps)
        if self.step < settling:
            self.sensitivities.take_in(
                {f"{name}.{key}": layer.own[key] for name, layer in self.layers.items() for key in TRIPLET}
            )
        self.allowed = self.rule.budget(self.step, self.steps, self.first, self.last)
        if self.rule.masks(self.step, self.steps):
            if self.step <= settling or not self.kept:
                self.kept = self._choose(self.allowed)
            self._mask()

    def score(self, name: str, layer: Adapted) -> Tensor:
        """Importance of the layer's triplets, (r,)."""
        p, lam, q = (self.sensitivities.importance(f"{name}.{key}", layer.own[key].detach()) for key in TRIPLET)
        return lam + p.mean(0) + q.mean(1)

    def _choose(self, allowed: int) -> dict[str, Tensor]:
        import torch

        scores = {name: self.score(name, layer) for name, layer in self.layers.items()}
        flat = torch.cat(list(scores.values()))
        order = torch.sort(flat, descending=True, stable=True).indices
        keep = torch.zeros_like(flat, dtype=torch.bool)
        keep[order[:allowed]] = True
        return dict(zip(scores, torch.split(keep, [score.numel() for score in scores.values()]), strict=True))

    def _mask(self) -> None:
        import torch

        with torch.no_grad():
            for name, layer in self.layers.items():
                layer.own["lam"].mul_(self.kept[name])

    def points(self) -> Mapping[str, float]:
        return {"budget": float(self.allowed)}

    def vectors(self) -> Mapping[str, Sequence[float]]:
        from core.adapters.norms import by_layer

        if not self.kept:
            return {"rank": [float(layer.plan.rank) for layer in self.layers.values()]}
        return {"rank": by_layer([(self.kept[name],) for name in self.layers], lambda kept: kept.sum(1)).tolist()}

    def state(self) -> dict[str, Tensor]:
        return {
            **{f"sensitivity/{key}": tensor for key, tensor in self.sensitivities.means.items()},
            **{f"uncertainty/{key}": tensor for key, tensor in self.sensitivities.spreads.items()},
            **{f"kept/{key}": tensor.to(tensor.new_zeros(0).float().dtype) for key, tensor in self.kept.items()},
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        for key, tensor in state.items():
            kind, _, name = key.partition("/")
            value = tensor.to(self.layers[name if kind == "kept" else name.rpartition(".")[0]].own["lam"].device)
            if kind == "kept":
                self.kept[name] = value.bool()
            else:
                followed = self.sensitivities
                (followed.means if kind == "sensitivity" else followed.spreads)[name] = value


def _push_apart(factor: Tensor, weight: float, *, columns: bool, squared: bool) -> None:
    """Add `weight` times the gradient of ||G - I||_F, or of its square, to `factor.grad`.

    G is the Gram matrix of columns or rows.
    """
    import torch

    with torch.no_grad():
        gram = factor.T @ factor if columns else factor @ factor.T
        gram.diagonal().sub_(1)
        gram.mul_(4 * weight if squared else 2 * weight / gram.norm().clamp_min(1e-12))
        push = factor @ gram if columns else gram @ factor
        factor.grad = push if factor.grad is None else factor.grad.add_(push)
