"""LoRA-drop: try all layers for a few steps, keep those that speak, and let the others share one adapter."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from core.adapters.axis import Probe, Selection
from core.component import option
from core.figures.figure import Axis
from core.figures.live.chosen import Chosen
from core.figures.live.course import Course
from core.insight.keeping import threshold, top
from core.layers import LayerPlan


class LoraDrop(Selection):
    """Two stages: all layers are trained briefly on a sample, then only those whose output counts (arXiv:2402.07721).

    A layer's importance is the mean squared length of what its adapter adds to the output. The layers that together
    carry the threshold keep an adapter of their own; all others of a kind share one. The second stage starts afresh.
    """

    kind = "lora-drop"
    label = "By a probe (LoRA-drop)"
    paper = "2402.07721"
    needs = frozenset({"rank", "fixed_rank", "seeded_start"})
    provides = frozenset({"shares_layers"})
    because = MappingProxyType(
        {
            "rank": "layers that were dropped share small factors, not a change of every number",
            "fixed_rank": "two would then decide which layers get how much",
            "own_layers": "layers that were dropped have one adapter together",
            "seeded_start": "layers that share an adapter must start alike",
        }
    )

    shows = (
        Chosen(
            key="loradrop-importance",
            title="Importance by layer",
            help="Share of each layer in what all adapters added to the outputs when the probe ended. Those with a "
            "tick keep an adapter of their own.",
            paper="2402.07721",
        ),
        Course(
            key="loradrop-probe",
            title="Loss of the probe",
            help="Training loss of the first stage, in which all layers were tried on a sample.",
            paper="2402.07721",
            of={"probe_loss": "probe"},
            value=Axis("Loss"),
            whole=False,
        ),
    )

    threshold: float = option(
        0.9, "Threshold", "Share of all importance that the kept layers of a kind must carry.", gt=0, le=1
    )
    top: int = option(0, "Top n", "Keeps so many layers of each kind instead; 0 goes by the threshold.", ge=0)
    sample_ratio: float = option(0.1, "Sample", "Share of the examples that the probe sees.", gt=0, le=1)
    probe_steps: int = option(50, "Probe steps", "Length of the probe.", unit="steps", ge=1)
    share: Literal["train", "frozen", "none"] = option(
        "train",
        "Other layers",
        "Train: those of a kind share one adapter. Frozen: one that stays at its start. None: they have none.",
    )

    def probe(self) -> Probe:
        return Probe(self.sample_ratio, self.probe_steps)

    def keep(self, plans: Sequence[LayerPlan], importance: Mapping[str, float]) -> frozenset[str]:
        layers = [plan.layer for plan in plans]
        if self.top:
            return top(layers, importance, self.top)
        return threshold(layers, importance, self.threshold)

    def arranged(self, plans: Sequence[LayerPlan], kept: Collection[str]) -> list[LayerPlan]:
        if self.share == "none":
            return [plan for plan in plans if plan.name in kept]
        trained = self.share == "train"
        return [plan if plan.name in kept else replace(plan, shared=_pair(plan), trained=trained) for plan in plans]


def _pair(plan: LayerPlan) -> str:
    """The name of the adapter that a layer shares: only layers of equal shape, rank and alpha can have one together."""
    layer = plan.layer
    return f"{layer.role}-{layer.out_features}x{layer.in_features}-r{plan.rank}-a{plan.alpha:g}"
