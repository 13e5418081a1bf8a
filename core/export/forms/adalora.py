"""ADALORA: singular triplets, those that were switched off left out. PEFT divides by r + 1e-5, which is made up for."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from core.adapters.attach import Adapters
from core.errors import UserError
from core.export.forms.form import Folder, Form, Piece, changed, copied, rounded, transposed
from core.export.forms.lora import LoraForm
from core.layers import LayerInfo

EXTRA = 1e-5
"""What PEFT adds to the first rank before it divides by it."""


class AdaloraForm(Form):
    """See the module's docstring."""

    type = "ADALORA"
    deltas = ("svd", "svd-fa")
    marks = (".lora_E",)
    refused: ClassVar[dict[str, str]] = dict(LoraForm.refused)

    def objection(self, adapters: Adapters) -> str:
        layers = adapters.layers.values()
        if any(layer.delta.kind not in self.deltas for layer in layers):
            return "this is not AdaLoRA"
        if changed(adapters):
            return "PEFT's AdaLoRA knows no row lengths and no changed base"
        if len({layer.plan.rank for layer in layers}) > 1 or len({layer.plan.alpha for layer in layers}) > 1:
            return "PEFT's AdaLoRA starts with one rank and one alpha for all layers"
        return ""

    def tensors(self, adapters: Adapters) -> dict[str, Tensor]:
        found = {}
        for name, layer in adapters.layers.items():
            own, kept = layer.own, layer.own["lam"].detach() != 0
            factor = layer.scale * (layer.plan.rank + EXTRA) / layer.plan.alpha
            found[f"{name}.lora_A"] = copied(own["q"][kept])
            found[f"{name}.lora_B"] = copied(own["p"][:, kept])
            found[f"{name}.lora_E"] = copied((own["lam"][kept].double() * factor).float()[:, None])
        return found

    def settings(self, adapters: Adapters, *, steps: int) -> dict[str, Any]:
        layer = next(iter(adapters.layers.values()))
        kept = {name: (one.own["lam"].detach() != 0).tolist() for name, one in adapters.layers.items()}
        whole = all(all(mask) for mask in kept.values())
        return {
            "init_r": layer.plan.rank,
            "target_r": max(1, round(sum(sum(mask) for mask in kept.values()) / len(kept))),
            "lora_alpha": rounded(layer.plan.alpha),
            "lora_dropout": adapters.config.dropout,
            "rank_pattern": None if whole else {f"{name}.lora_E": mask for name, mask in kept.items()},
            "total_step": max(steps, 1),
            "bias": "none",
            "fan_in_fan_out": transposed(adapters),
        }

    def axes(self, folder: Folder) -> dict[str, Any]:
        ranks = [len(tensor) for name, tensor in folder.tensors.items() if name.endswith(self.marks)]
        # What is left is the budget: going on neither prunes further nor brings back what was pruned.
        schedule = {"kind": "adalora", "target": sum(ranks) / max(1, sum(rank > 0 for rank in ranks))}
        return {"method": "adalora", "rank_schedule": schedule, "dropout": folder.number("lora_dropout", 0.0)}

    def piece(self, folder: Folder, layer: LayerInfo, given: str) -> Piece:
        q, p, lam = (folder.take(f"{given}.lora_{key}") for key in "ABE")
        first, alpha = folder.number("init_r", 12), folder.number("lora_alpha", 8)
        if first < 1 or alpha <= 0:
            raise UserError(f"init_r and lora_alpha of the adapter must be above 0 (got {first} and {alpha}).")
        lam = (lam.double().flatten() * first / (first + EXTRA)).float()
        # The scale is that of the first rank, however many triplets are left.
        return Piece(len(q), alpha * len(q) / first, {"p": p, "lam": lam, "q": q})
